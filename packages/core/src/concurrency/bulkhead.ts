/**
 * A semaphore whose line is bounded: a dependency that hangs fills its own slots and its own line, and nothing else. Who finds
 * both full is refused at once, before anything was run, with a BulkheadFullError.
 */
import { BulkheadFullError } from '../errors/limit-errors.ts';
import { emit, observed } from '../events/bus.ts';
import { checkBoolean, checkDelayMs, checkInteger, checkOptions } from '../options/checks.ts';
import { keepShape } from '../runtime.ts';
import { Semaphore, type SemaphoreOptions } from './semaphore.ts';

/** How a bulkhead is made. */
export interface BulkheadOptions extends SemaphoreOptions {
  /** Names it in events, errors and statistics. @default 'bulkhead' */
  readonly name?: string | undefined;
  /** How many calls may wait: a whole number from 0 up, or `Infinity`. @default 0 */
  readonly maxQueue?: number | undefined;
  /** Longest wait in line, in milliseconds, for calls that name none. @default Infinity */
  readonly maxWaitMs?: number | undefined;
  /**
   * Frees the slot of a call that was given up although its work still runs. The limit is then no longer true: `stats().zombies`
   * counts what runs beyond it.
   *
   * @default false
   */
  readonly freeOnTimeout?: boolean | undefined;
}

/**
 * Lets `maxConcurrent` calls run and `maxQueue` wait; refuses the rest.
 *
 * @example
 * const bulkhead = new Bulkhead({ name: 'search', maxConcurrent: 32, maxQueue: 64, maxWaitMs: 250 });
 * const hits = await bulkhead.execute(({ signal }) => search(query, signal), ctx);
 *
 * @throws BulkheadFullError from `execute` and `acquire`, when the line is full or `maxWaitMs` has passed.
 */
export class Bulkhead extends Semaphore {
  readonly #maxQueue: number;

  constructor(options: BulkheadOptions) {
    checkOptions('options', options, ['name', 'maxConcurrent', 'maxQueue', 'maxWaitMs', 'freeOnTimeout']);
    const {
      name = 'bulkhead',
      maxConcurrent,
      maxQueue = 0,
      maxWaitMs = Infinity,
      freeOnTimeout = false,
    } = options;
    super({ name, maxConcurrent });
    this.#maxQueue = checkInteger('maxQueue', maxQueue, 0, true);
    this.maxWaitMs = checkDelayMs('maxWaitMs', maxWaitMs, true);
    this.freeOnTimeout = checkBoolean('freeOnTimeout', freeOnTimeout);
  }

  protected override full(waiting: number): Error | undefined {
    return waiting < this.#maxQueue ? undefined : this.#refuse(waiting);
  }

  protected override tooLate(): Error {
    return this.#refuse(this.waiting);
  }

  #refuse(queued: number): BulkheadFullError {
    const limit = this.maxConcurrent;
    if (observed()) emit('bulkhead.rejected', this.name, { limit, queued });
    return new BulkheadFullError(this.name, limit, queued);
  }
}

keepShape(new Bulkhead({ maxConcurrent: 1 }));
