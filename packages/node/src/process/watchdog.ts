/**
 * A thread that kills the process when a shutdown is late: a timer cannot, where the event loop itself is blocked. It is of no
 * help where the loop was blocked before the signal came, since then nobody hears the signal.
 */
import { Worker } from 'node:worker_threads';
import { reportError } from '@holdfast/core/internal';
import type { WatchdogData } from './watchdog-thread.ts';

// Run from its sources, as by a test runner, the built thread is taken: Node 20 runs no TypeScript.
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/process/watchdog-thread.js' : './watchdog-thread.js',
  import.meta.url,
);

/** Kills the process after a while, unless it is called off. */
export class Watchdog {
  readonly #calledOff: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));

  constructor(limitMs: number) {
    const data: WatchdogData = { calledOff: this.#calledOff, limitMs };
    const worker = new Worker(ENTRY, { name: 'holdfast-watchdog', workerData: data });
    worker.on('error', reportError); // a shutdown without a watchdog is better than none
    worker.unref();
  }

  /** There is no danger any more. */
  callOff(): void {
    Atomics.store(this.#calledOff, 0, 1);
    Atomics.notify(this.#calledOff, 0);
  }
}
