/**
 * Finds out who blocks the event loop. A thread watches a heartbeat; when that stands still it stops the main thread for a moment
 * through the inspector, notes the stack, and lets it go on. Nothing is attached while the loop runs, so it costs a timer and a
 * thread. The trap: inside a native call there is no JavaScript to stop, so the stack is that of the first line after it.
 */
import { Worker } from 'node:worker_threads';
import { now, reportError } from '@holdfast/core/internal';
import type { BlockReport, TracerData } from './block-tracer-thread.ts';

// Run from its sources, as by a test runner, the built thread is taken: Node 20 runs no TypeScript.
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/loop/block-tracer-thread.js' : './block-tracer-thread.js',
  import.meta.url,
);

/** A block of the event loop. */
export interface Block {
  /** How long it took, in milliseconds; as exact as the heartbeat. */
  readonly durationMs: number;
  /** Who was running, innermost first, as `name (file:line)`. */
  readonly stack: readonly string[];
}

/** Watches the loop of the thread it is made in. */
export class BlockTracer {
  readonly #beats: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #pulse: ReturnType<typeof setInterval>;
  #lastBeat = now();
  #longestMs = 0;

  /** Calls `found` after each block of `limitMs` or longer. */
  constructor(limitMs: number, found: (block: Block) => void) {
    const data: TracerData = { beats: this.#beats, limitMs };
    this.#worker = new Worker(ENTRY, { name: 'holdfast-block-tracer', workerData: data });
    this.#worker.on('error', reportError);
    this.#worker.unref();
    this.#pulse = setInterval(() => this.#beat(), Math.max(1, limitMs / 4)).unref();
    this.#worker.on('message', ({ stack }: BlockReport) => {
      this.#beat();
      found({ durationMs: this.#longestMs, stack });
      this.#longestMs = 0;
    });
  }

  /** Watches no longer. */
  async stop(): Promise<void> {
    clearInterval(this.#pulse);
    await this.#worker.terminate();
  }

  #beat(): void {
    const at = now();
    this.#longestMs = Math.max(this.#longestMs, at - this.#lastBeat);
    this.#lastBeat = at;
    Atomics.add(this.#beats, 0, 1);
  }
}
