/** Those who wait to take: one item, a batch, or step by step through an iterator. An abort leaves the items where they are. */
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { keepShape, now } from '../runtime.ts';
import type { Channel } from './channel.ts';
import type { Envelope, Item } from './item.ts';
import { Taker } from './taker.ts';

/** What a wait for an item ends with when its time is over. */
export function tookTooLong(queue: string, maxWaitMs: number): TimeoutError {
  return new TimeoutError(`Taking from queue "${queue}"`, 'wait', maxWaitMs);
}

/** Waits for one item. */
export class SingleTaker<T> extends Taker<T> {
  readonly wants = 1;
  readonly serve: (item: Item<T>) => void;
  readonly giveUp: (error: unknown) => void;
  readonly #queue: string;

  constructor(queue: string, resolve: (item: Item<T>) => void, reject: (error: unknown) => void) {
    super();
    this.#queue = queue;
    this.serve = resolve;
    this.giveUp = reject;
  }

  late(maxWaitMs: number): void {
    this.giveUp(tookTooLong(this.#queue, maxWaitMs));
  }

  end(error: unknown): void {
    this.giveUp(error);
  }
}

/** Waits until there are `wants` items, then takes up to `max`. When its time is over it takes what there is. */
export class BatchTaker<T> extends Taker<T> {
  readonly wants: number;
  readonly #channel: Channel<T>;
  readonly #max: number;
  readonly #resolve: (items: Item<T>[]) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    channel: Channel<T>,
    max: number,
    wants: number,
    resolve: (items: Item<T>[]) => void,
    reject: (error: unknown) => void,
  ) {
    super();
    this.#channel = channel;
    this.#max = max;
    this.wants = wants;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  serve(item: Item<T>): void {
    this.#resolve(this.#channel.collect([item], this.#max, now()));
  }

  late(): void {
    this.#resolve(this.#channel.takeNow(this.#max));
  }

  giveUp(error: unknown): void {
    this.#reject(error);
    // there may be enough for those behind it
    this.#channel.serve();
  }

  end(error: unknown): void {
    this.#reject(error);
  }
}

class Step<T> extends Taker<T> {
  readonly wants = 1;
  readonly #resolve: (result: IteratorResult<Envelope<T>, undefined>) => void;
  readonly giveUp: (error: unknown) => void;

  constructor(
    resolve: (result: IteratorResult<Envelope<T>, undefined>) => void,
    reject: (error: unknown) => void,
  ) {
    super();
    this.#resolve = resolve;
    this.giveUp = reject;
  }

  serve(item: Item<T>): void {
    this.#resolve({ done: false, value: item });
  }

  /** Never called: a step waits without limit. */
  late(): void {
    this.finish();
  }

  end(error: unknown): void {
    if (isHoldfastError(error, 'QUEUE_CLOSED')) this.finish();
    else this.giveUp(error);
  }

  finish(): void {
    this.#resolve({ done: true, value: undefined });
  }
}

/** Takes until the queue is closed and empty. Leaving the loop early takes nothing more. */
export class QueueIterator<T> implements AsyncIterableIterator<Envelope<T>, undefined> {
  readonly #channel: Channel<T>;
  readonly #waiting: Set<Step<T>> = new Set<Step<T>>();
  #finished = false;

  constructor(channel: Channel<T>) {
    this.#channel = channel;
  }

  next(): Promise<IteratorResult<Envelope<T>, undefined>> {
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    const item = this.#channel.take();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    return new Promise((resolve, reject) => {
      const step: Step<T> = new Step<T>((result) => {
        this.#waiting.delete(step);
        resolve(result);
      }, reject);
      this.#waiting.add(step);
      this.#channel.join(step, {});
    });
  }

  return(): Promise<IteratorResult<Envelope<T>, undefined>> {
    this.#finished = true;
    for (const step of this.#waiting) if (this.#channel.leave(step)) step.finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function nothing(): void {}

keepShape(new SingleTaker('', nothing, nothing));
