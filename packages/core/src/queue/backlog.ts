/**
 * What is inside a queue, in the order of admission, and how long each item has been there. It hands out the oldest, or the newest
 * while the oldest has waited so long that only the newest can still be in time; what is too old for anybody it gives up.
 */
import { DelayHistogram } from './delay-histogram.ts';
import type { Item } from './item.ts';
import { RingBuffer } from './ring-buffer.ts';

/** How long items may wait. */
export interface BacklogLimits {
  /** An item that has waited longer, in milliseconds, is given up. */
  readonly maxQueueDelayMs: number;
  /** While the oldest has waited longer, in milliseconds, the newest is taken first. */
  readonly lifoWhenDelayAboveMs: number;
}

/** The items inside a queue. */
export class Backlog<T> {
  /** Delays of the items that were taken. */
  readonly delays: DelayHistogram = new DelayHistogram();
  readonly #items: RingBuffer<Item<T>> = new RingBuffer<Item<T>>();
  readonly #limits: BacklogLimits;
  #peak = 0;

  constructor(limits: BacklogLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#items.size;
  }

  /** The greatest size there was. */
  get peak(): number {
    return this.#peak;
  }

  /** How long the oldest has been inside, in milliseconds; 0 where there is none. */
  oldestAgeMs(at: number): number {
    return this.#items.first?.ageMs(at) ?? 0;
  }

  push(item: Item<T>): void {
    this.#items.push(item);
    if (this.#items.size > this.#peak) this.#peak = this.#items.size;
  }

  /** Takes out the next item. */
  take(at: number): Item<T> | undefined {
    const items = this.#items;
    const { first } = items;
    if (first === undefined) return undefined;
    const item = (first.ageMs(at) > this.#limits.lifoWhenDelayAboveMs ? items.pop() : items.shift()) ?? first;
    item.take(at);
    this.delays.record(item.queueDelayMs, at);
    return item;
  }

  /** Takes out the oldest item, for one that has no use of it. */
  drop(): Item<T> | undefined {
    return this.#items.shift();
  }

  /** Takes out the oldest item if it has waited too long. */
  expire(at: number): Item<T> | undefined {
    if (this.#limits.maxQueueDelayMs === Infinity) return undefined;
    const { first } = this.#items;
    return first !== undefined && first.ageMs(at) > this.#limits.maxQueueDelayMs
      ? this.#items.shift()
      : undefined;
  }

  /** Takes out everything. */
  clear(): T[] {
    const values: T[] = [];
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift())
      values.push(item.value);
    return values;
  }
}
