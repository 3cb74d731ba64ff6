/** A binary heap: adding and taking the first are logarithmic. The order must be total, or equal items come out in any order. */

/** Whether `a` comes out before `b`. */
export type Before<T> = (a: T, b: T) => boolean;

/** Items of which the first, by an order given once, is always at hand. */
export class Heap<T> {
  readonly #before: Before<T>;
  readonly #items: T[] = [];

  constructor(before: Before<T>) {
    this.#before = before;
  }

  /** How many items there are. */
  get size(): number {
    return this.#items.length;
  }

  /** The first item, left where it is. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Adds `item`. */
  push(item: T): void {
    const items = this.#items;
    let place = items.length;
    items.push(item);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || !this.#before(item, parent)) break;
      items[place] = parent;
      place = above;
    }
    items[place] = item;
  }

  /** Takes the first item out. */
  shift(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      let child = items[below];
      const right = items[below + 1];
      if (child !== undefined && right !== undefined && this.#before(right, child)) {
        child = right;
        below += 1;
      }
      if (child === undefined || !this.#before(child, last)) break;
      items[place] = child;
      place = below;
    }
    items[place] = last;
    return first;
  }

  /** Takes everything out, in no order. */
  clear(): void {
    this.#items.length = 0;
  }
}
