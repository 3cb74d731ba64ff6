/**
 * What a producer puts into a job queue stays in its hand until the engine has it: where there is no room, or no engine, it tries
 * again, with the same id, so that an unknown outcome becomes no second job. Only what can never be accepted is lost, and said.
 */
import type { Door } from '../component.ts';
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { Faults } from '../queue/faults.ts';
import type { ProducerHost } from '../queue/produce.ts';
import type { Loop, LoopFault, LoopHost } from '../queue/queue-loop.ts';
import { Execution, EXECUTION } from '../signal/execution.ts';
import { sleep } from '../signal/sleep.ts';
import type { EnqueueOptions } from './enqueue.ts';
import { isFinal } from './outcome.ts';

/** What a producer needs of its job queue. */
export interface JobProducerHost extends LoopHost {
  readonly name: string;
  readonly closed: boolean;
  /** Aborts when the queue is closed or cancelled. */
  readonly closing: AbortSignal;
}

/** How soon to ask again for room, in milliseconds: to be full is no failure. */
const FULL_RETRY_MS = 100;

/** The queue, as one producer sees it. */
export class JobPort<T> implements ProducerHost<T> {
  readonly name: string;
  readonly #host: JobProducerHost;
  readonly #enqueue: (value: T, options: EnqueueOptions) => Promise<unknown>;
  readonly #retryMs: number;
  readonly #faults: Faults;

  constructor(
    host: JobProducerHost,
    enqueue: (value: T, options: EnqueueOptions) => Promise<unknown>,
    retryMs: number,
  ) {
    this.name = host.name;
    this.#host = host;
    this.#enqueue = enqueue;
    this.#retryMs = retryMs;
    this.#faults = new Faults(host.name);
  }

  get door(): Door | undefined {
    return this.#host.door;
  }

  get closed(): boolean {
    return this.#host.closed;
  }

  joined(loop: Loop): void {
    this.#host.joined(loop);
  }

  left(loop: Loop, fault: LoopFault | undefined): void {
    this.#host.left(loop, fault);
  }

  settle(): void {
    this.#host.settle();
  }

  /** The producer has said what it lost, and why. */
  lost(): void {}

  async put(value: T): Promise<void> {
    // the item is in hand already: it may come in while the service drains
    const options: EnqueueOptions & { readonly [EXECUTION]: Execution } = {
      id: globalThis.crypto.randomUUID(),
      [EXECUTION]: new Execution(undefined, this.door?.owner),
    };
    for (;;) {
      try {
        await this.#enqueue(value, options);
        return;
      } catch (error) {
        if (this.closed || isFinal(error)) throw error;
        const full = isHoldfastError(error, 'QUEUE_FULL');
        const delayMs = full ? FULL_RETRY_MS : this.#retryMs;
        if (!full)
          this.#faults.report('queue.producer-failed', 'the engine did not take an item', { error, delayMs });
        await sleep(delayMs, { signal: this.#host.closing }).catch(() => {});
      }
    }
  }
}
