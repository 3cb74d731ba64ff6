/** The places of a pool, and the bounded line before them. */
import { Semaphore } from '../concurrency/semaphore.ts';
import { PoolFullError } from '../errors/limit-errors.ts';

/** A semaphore that says POOL_FULL. */
export class PoolSlots extends Semaphore {
  readonly #maxQueue: number;

  constructor(name: string, maxSize: number, maxQueue: number, maxWaitMs: number) {
    super({ name, maxConcurrent: maxSize });
    this.#maxQueue = maxQueue;
    this.maxWaitMs = maxWaitMs;
  }

  protected override full(waiting: number): Error | undefined {
    return waiting < this.#maxQueue ? undefined : this.tooLate();
  }

  protected override tooLate(): Error {
    return new PoolFullError(this.name, this.#maxQueue);
  }
}
