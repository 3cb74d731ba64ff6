/**
 * A server that a test owns: on a port of 127.0.0.1 of its own, with its data in a temporary folder. It may be killed as a crash
 * kills it, and started again on the same port with the same data. It ends with the test process, however that ends.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

/** What a test may do to a server of its own. */
export interface ServerControl {
  /** Kills it with SIGKILL; nothing answers any more when this resolves. */
  kill(): Promise<void>;
  /** Starts it again, on the same port with the same data; resolves when it answers. */
  start(): Promise<void>;
}

/** How a server is run. */
export interface ServerCommand {
  readonly name: string;
  /** Says that it takes connections, in what the server prints. */
  readonly ready: string;
  /** Ends it without leaving anything behind. */
  readonly stopSignal: NodeJS.Signals;
  /** A user to run it as, where it refuses to be run by root. */
  readonly user?: User | undefined;
  /** Makes the data, once. */
  prepare?(folder: string): void;
  /** Program and arguments. */
  command(port: number, folder: string): readonly [program: string, ...args: readonly string[]];
}

/** Somebody without the rights of root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** How long a server may take to start, in milliseconds. */
const START_TIMEOUT_MS = 20_000;
/** What is printed where the port, or the memory of a process that was killed, is still in use: for a moment only. */
const BUSY = /address already in use|shared memory block|lock file .* already exists/i;

/** A running server, until it is disposed of. */
export class ServerProcess implements ServerControl, AsyncDisposable {
  readonly port: number;
  readonly #command: ServerCommand;
  readonly #folder: string;
  readonly #watchdog: Watchdog;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();

  private constructor(command: ServerCommand, port: number) {
    this.port = port;
    this.#command = command;
    this.#folder = mkdtempSync(join(tmpdir(), `holdfast-${command.name}-`));
    this.#watchdog = startWatchdog(this.#folder);
  }

  /** Makes the data and starts the server. */
  static async run(command: ServerCommand): Promise<ServerProcess> {
    process.off('disconnect', leave).once('disconnect', leave);
    const server = new ServerProcess(command, await freePort());
    try {
      const { user } = command;
      if (user !== undefined) chownSync(server.#folder, user.uid, user.gid);
      command.prepare?.(server.#folder);
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  async start(): Promise<void> {
    const until = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const said = await this.#tryStart();
      if (said === undefined) return;
      if (!BUSY.test(said) || performance.now() > until)
        throw new Error(`${this.#command.name} did not start:\n${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end(this.#command.stopSignal);
    await this.#watchdog[Symbol.asyncDispose]();
  }

  /** What it printed where it did not start. */
  async #tryStart(): Promise<string | undefined> {
    const [program, ...args] = this.#command.command(this.port, this.#folder);
    const child = spawn(program, args, {
      cwd: this.#folder,
      // what it prints is read, so it must not be translated
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...this.#command.user,
    });
    this.#child = child;
    this.#watchdog.watch(child.pid);
    let said = '';
    let started = false;
    this.#gone = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        said += String(error);
      });
      // comes after an error too
      child.once('close', () => {
        this.#child = undefined;
        this.#watchdog.watch(undefined);
        resolve();
      });
    });
    const ready = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          if (started) return;
          said += text;
          started = said.includes(this.#command.ready);
          if (started) resolve();
        });
    });
    const late = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
    await Promise.race([ready, this.#gone]);
    clearTimeout(late);
    return started ? undefined : said;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#child?.kill(signal);
    await this.#gone;
  }
}

/** A test process whose runner has gone would go on to its last timer, and its servers with it. */
function leave(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** Who runs a server that refuses root; `undefined` where this process is not root's. */
export function unprivilegedUser(names: readonly string[]): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of [...names, 'nobody']) {
    try {
      const ask = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: ask('-u'), gid: ask('-g') };
    } catch {
      // there is no such user
    }
  }
  throw new Error('There is no user to run this server as');
}
