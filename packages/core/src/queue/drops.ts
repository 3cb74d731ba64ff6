/**
 * What a queue says of items it dropped. Without `onDrop` it warns once per episode: an episode ends when the takers have
 * caught up, that is when an item is taken in time and none is left behind it.
 */
import { emit, observed } from '../events/bus.ts';
import { captureContext, notify, type RunInContext } from '../runtime.ts';

/** Why an item was dropped: there was no room, or it had waited longer than `maxQueueDelayMs`. */
export type DropReason = 'overflow' | 'expired';

/** Told of every dropped item. */
export type DropListener<T> = (value: T, why: DropReason) => void;

/** Counts and reports the drops of one queue. */
export class Drops<T> {
  readonly #queue: string;
  readonly #listener: DropListener<T> | undefined;
  readonly #context: RunInContext | undefined;
  #total = 0;
  #warned: DropReason[] | undefined;

  constructor(queue: string, listener: DropListener<T> | undefined) {
    this.#queue = queue;
    this.#listener = listener;
    this.#context = listener === undefined ? undefined : captureContext();
  }

  /** How many were dropped since the queue was made. */
  get total(): number {
    return this.#total;
  }

  /** Tells of dropped values; the queue has already forgotten them. */
  report(values: readonly T[], why: DropReason): void {
    this.#total += values.length;
    if (observed()) emit('queue.dropped', this.#queue, { why, count: values.length });
    const listener = this.#listener;
    if (listener === undefined) this.#warn(why);
    else this.#context?.(() => values.forEach((value) => notify(listener, value, why)));
  }

  /** The takers have caught up: the next drop begins another episode. */
  caughtUp(): void {
    this.#warned = undefined;
  }

  #warn(why: DropReason): void {
    if (this.#warned?.includes(why)) return;
    (this.#warned ??= []).push(why);
    const what = why === 'overflow' ? 'is full and drops items' : 'drops items that waited too long';
    console.warn(
      `Queue "${this.#queue}" ${what} (${this.#total} dropped so far; said once until it recovers)`,
    );
  }
}
