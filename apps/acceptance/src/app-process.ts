/// <reference lib="esnext.disposable" />
/**
 * An app as its operator sees it: a child process with an environment, two streams, signals and an exit. Every app runs with
 * unhandled rejections as fatal and with traces on warnings; whoever disposes of one also learns of warnings it printed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What starts a process: the script, its arguments and its environment. */
export interface AppOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Puts it at the head of a process group of its own, as a shell does. */
  readonly group?: boolean;
}

const strict = ['--unhandled-rejections=strict', '--trace-warnings'];
const processWarning = /^\(node:\d+\).*warning/im;

/** A running app. */
export class AppProcess implements AsyncDisposable {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #group: boolean;
  readonly #watchers: Set<() => void> = new Set();
  #exit: Exit | undefined;
  stdout = '';
  stderr = '';

  constructor(main: string, { args = [], env = {}, group = false }: AppOptions = {}) {
    this.#group = group;
    this.#child = spawn(process.execPath, [...strict, main, ...args], {
      cwd: tmpdir(),
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: group,
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#heard('stdout', text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#heard('stderr', text));
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
        this.#tell();
      });
    });
  }

  /** Everything it printed, for the message of a failed test. */
  get output(): string {
    return `--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#exit !== undefined;
  }

  /** Resolves with the first match of `pattern` in its standard output; rejects where it ends without one. */
  async printed(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.stdout.match(pattern);
      if (match !== null) return match;
      if (this.#exit !== undefined)
        throw new Error(`ended (${JSON.stringify(this.#exit)}) before it printed ${pattern}\n${this.output}`);
      await new Promise<void>((resolve) => {
        const told = (): void => {
          this.#watchers.delete(told);
          resolve();
        };
        this.#watchers.add(told);
      });
    }
  }

  /** The address it says it listens on. */
  async url(): Promise<string> {
    const [, url] = await this.printed(/listening on (http:\/\/\S+)/);
    return String(url);
  }

  /** Sends a signal to the process, or to its whole group where it heads one. */
  kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || this.ended) return;
    process.kill(this.#group ? -pid : pid, signal);
  }

  /** Ends it if it still runs, and rejects if it ever printed a process warning. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL');
    await this.exited;
    if (processWarning.test(this.stderr)) throw new Error(`a process warning was printed\n${this.output}`);
  }

  #heard(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    this.#tell();
  }

  #tell(): void {
    for (const told of this.#watchers) told();
  }
}
