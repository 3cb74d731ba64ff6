/**
 * A double-ended buffer over one array whose length is a power of two. Both ends are constant time; it grows by doubling and
 * gives its memory back when it runs empty, so that a burst is not paid for ever after.
 */

const SMALLEST = 16;
const KEPT_WHEN_EMPTY = 1024;

/** A first-in, first-out buffer that can also be read from its newest end. */
export class RingBuffer<T> {
  #slots: (T | undefined)[] = [];
  #mask = -1;
  #head = 0;
  #size = 0;

  /** How many are inside. */
  get size(): number {
    return this.#size;
  }

  /** The oldest, left inside. */
  get first(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }

  /** Adds one at the newest end. */
  push(value: T): void {
    if (this.#size > this.#mask) this.#grow();
    this.#slots[(this.#head + this.#size) & this.#mask] = value;
    this.#size += 1;
  }

  /** Takes the oldest. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const value = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#shrink();
    return value;
  }

  /** Takes the newest. */
  pop(): T | undefined {
    if (this.#size === 0) return undefined;
    const index = (this.#head + this.#size - 1) & this.#mask;
    const value = this.#slots[index];
    this.#slots[index] = undefined;
    this.#shrink();
    return value;
  }

  #shrink(): void {
    this.#size -= 1;
    if (this.#size === 0 && this.#mask >= KEPT_WHEN_EMPTY) {
      this.#slots = [];
      this.#mask = -1;
      this.#head = 0;
    }
  }

  #grow(): void {
    const before = this.#slots;
    const length = Math.max(SMALLEST, before.length * 2);
    const slots: (T | undefined)[] = [...before.slice(this.#head), ...before.slice(0, this.#head)];
    while (slots.length < length) slots.push(undefined);
    this.#slots = slots;
    this.#mask = length - 1;
    this.#head = 0;
  }
}
