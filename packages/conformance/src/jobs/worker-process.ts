/** Another process that uses the same engine: plain JavaScript that imports what is built, started, listened to and killed. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What the process does with queue `jobs`. */
export interface WorkerTask {
  /**
   * `produce` enqueues, one by one, until it is killed; `delay` enqueues one job that is to wait a second; `visit`
   * enqueues and consumes a little and lets go; the others consume, and
   * differ in what their handler does.
   */
  readonly task: 'produce' | 'delay' | 'visit' | 'finish' | 'hang' | 'block' | 'stall' | 'die';
  readonly leaseMs?: number | undefined;
  readonly crashRedeliveryMs?: number | undefined;
  /** How long `block` and `stall` keep their event loop from turning; `stall` then waits until its signal aborts. */
  readonly blockMs?: number | undefined;
  /** How long a handler works. */
  readonly workMs?: number | undefined;
  /** How far the clock of the process is ahead. */
  readonly clockMs?: number | undefined;
  readonly concurrency?: number | undefined;
}

/** Where the process finds its engine. */
export interface WorkerSettings extends WorkerTask {
  readonly specifier: string;
  readonly name: string;
  readonly url: string;
}

/** A process at work. Disposing kills it. */
export interface WorkerProcess extends AsyncDisposable {
  /** What it said so far. */
  readonly lines: readonly string[];
  /** The first line, said or to be said, that begins with `text`; rejects where the process ends without it. */
  line(text: string): Promise<string>;
  /** Kills it as a crash does: nothing of it runs any more when this resolves. */
  kill(): Promise<void>;
  /** How it ended. */
  readonly ended: Promise<number | null>;
}

/** Starts a process. */
export function spawnWorker(settings: WorkerSettings): WorkerProcess {
  const file = fileURLToPath(new URL('worker.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const waiting: { readonly text: string; readonly resolve: (line: string) => void }[] = [];
  let errors = '';
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    for (const { text, resolve } of waiting) if (line.startsWith(text)) resolve(line);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };

  async function line(text: string): Promise<string> {
    const said = lines.find((one) => one.startsWith(text));
    if (said !== undefined) return said;
    const heard = new Promise<string>((resolve) => waiting.push({ text, resolve }));
    return Promise.race([heard, silence(text)]);
  }

  async function silence(text: string): Promise<never> {
    const code = await ended;
    throw new Error(`The worker ended (${code}) without saying "${text}"\n${lines.join('\n')}\n${errors}`);
  }

  return { lines, line, kill, ended, [Symbol.asyncDispose]: kill };
}
