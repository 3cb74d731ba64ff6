/** A replica, as what deploys it sees it: a process that says its port, gets SIGTERM, and SIGKILL where that takes too long. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { ReplicaSettings } from './replica/settings.ts';
import { program } from './talking-process.ts';

/** How a replica ended. */
export interface Ending {
  /** The exit code, or the signal. */
  readonly exit: string;
  /** From SIGTERM to the end of the process, in milliseconds. */
  readonly durationMs: number;
}

/** One replica. */
export class Replica {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #exit: Promise<string>;
  readonly #name: string;

  constructor(settings: ReplicaSettings) {
    this.#name = `${settings.strategy} on ${settings.server}`;
    const child = spawn(process.execPath, [program('replica/main'), JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout }); // reads on, so that the replica can always write
    this.#exit = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? String(code)));
    });
  }

  /** Resolves with its port once it listens. */
  async listening(): Promise<number> {
    const [line] = (await Promise.race([once(this.#lines, 'line'), once(this.#lines, 'close')])) as [string?];
    if (line === undefined) throw new Error(`${this.#name} did not start`);
    return Number(/\d+$/.exec(line));
  }

  /** Tells it to end, and kills it after `graceMs`. */
  async stop(graceMs: number): Promise<Ending> {
    const start = performance.now();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    this.#child.kill('SIGTERM');
    const exit = await this.#exit;
    clearTimeout(kill);
    return { exit, durationMs: performance.now() - start };
  }

  /** Ends it, if it still runs. */
  end(): void {
    this.#child.kill('SIGKILL');
  }
}
