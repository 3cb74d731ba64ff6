/** A timer that is set again and again, by one who has only one at a time. */

/** One timer. */
export class Timer {
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Calls `ring` after that time, in place of what was set before. `Infinity` never rings. */
  set(delayMs: number, ring: () => void): void {
    this.clear();
    if (delayMs < Infinity) this.#timer = setTimeout(ring, delayMs);
  }

  /** Rings no more. */
  clear(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
