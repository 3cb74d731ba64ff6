/** A replica, as what deploys it sees it: a process that says its port, gets SIGTERM, and SIGKILL where that takes too long. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ReplicaSettings } from './replica/settings.ts';
import { program } from './talking-process.ts';

/** How a replica ended. */
export interface Ending {
  /** The exit code, or the signal. */
  readonly exit: string;
  /** From SIGTERM to the end of the process, in milliseconds. */
  readonly durationMs: number;
}

/** A replica that runs. */
export class Replica {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts one, and waits until it listens. */
  static async start(settings: ReplicaSettings): Promise<Replica> {
    const child = spawn(process.execPath, [program('replica/main'), JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout }); // reads on, so that the replica can always write
    const [line] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string?];
    if (line === undefined) throw new Error(`${settings.strategy} on ${settings.server} did not start`);
    return new Replica(child, Number(/\d+$/.exec(line)));
  }

  /** Tells it to end, and kills it after `graceMs`. */
  stop(graceMs: number): Promise<Ending> {
    const start = performance.now();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    return new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        clearTimeout(kill);
        resolve({ exit: signal ?? String(code), durationMs: performance.now() - start });
      });
      this.#child.kill('SIGTERM');
    });
  }

  /** Ends it, if it still runs. */
  end(): void {
    this.#child.kill('SIGKILL');
  }
}
