/**
 * What stands in a queue, and what a taker gets: one object for both, so that taking allocates nothing. The delay is measured
 * on the monotonic clock; the date is worked out only when somebody reads it.
 */
import { keepShape, now, type ContextSnapshot } from '../runtime.ts';

/** An item as it leaves the queue. */
export interface Envelope<T> {
  /** What was put. */
  readonly value: T;
  /** When the queue admitted it. */
  readonly enqueuedAt: Date;
  /** How long it was in the queue, from admission to this take, in milliseconds. */
  readonly queueDelayMs: number;
}

/** One item of a queue. */
export class Item<T> implements Envelope<T> {
  readonly value: T;
  queueDelayMs = 0;
  readonly #context: ContextSnapshot | undefined;
  #admittedAt: number;
  #date: Date | undefined;

  constructor(value: T, context: ContextSnapshot | undefined, admittedAt: number) {
    this.value = value;
    this.#context = context;
    this.#admittedAt = admittedAt;
  }

  /** The asynchronous context of the put, where a consumer wants it. */
  get context(): ContextSnapshot | undefined {
    return this.#context;
  }

  get enqueuedAt(): Date {
    this.#date ??= new Date(Date.now() - (now() - this.#admittedAt));
    return this.#date;
  }

  /** How long it has been in the queue at `at`. */
  ageMs(at: number): number {
    return at - this.#admittedAt;
  }

  /** It came in now, after it had waited for room. */
  admit(at: number): void {
    this.#admittedAt = at;
  }

  /** It goes out now. */
  take(at: number): void {
    this.queueDelayMs = at - this.#admittedAt;
  }

  /** Prints with its date, which is not an own property. */
  toJSON(): Envelope<T> {
    return { value: this.value, enqueuedAt: this.enqueuedAt, queueDelayMs: this.queueDelayMs };
  }
}

const kept = new Item(undefined, undefined, now());
kept.take(now() + 0.5); // a delay is no whole number
keepShape(kept);
