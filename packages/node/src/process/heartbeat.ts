/**
 * Kills a process whose event loop is blocked for good: then no signal is heard, and no shutdown begins. The trap: a debugger that
 * pauses the process blocks the loop, too.
 */
import { Worker } from 'node:worker_threads';
import { reportError } from '@holdfast/core/internal';
import type { HeartbeatData } from './heartbeat-thread.ts';

// Run from its sources, as by a test runner, the built thread is taken: Node 20 runs no TypeScript.
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/process/heartbeat-thread.js' : './heartbeat-thread.js',
  import.meta.url,
);

/** Watches the loop of the thread it is made in; it keeps no process alive. */
export class Heartbeat {
  readonly #beats: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #pulse: ReturnType<typeof setInterval>;

  constructor(maxBlockMs: number) {
    const data: HeartbeatData = { beats: this.#beats, maxBlockMs };
    this.#worker = new Worker(ENTRY, { name: 'holdfast-heartbeat', workerData: data });
    this.#worker.on('error', reportError); // who watches the process must not end it
    this.#worker.unref();
    this.#pulse = setInterval(() => this.#beat(), maxBlockMs / 4).unref();
  }

  /** Watches no longer. */
  stop(): void {
    clearInterval(this.#pulse);
    void this.#worker.terminate();
  }

  #beat(): void {
    Atomics.add(this.#beats, 0, 1);
    Atomics.notify(this.#beats, 0);
  }
}
