/**
 * Counts of what happened lately, in ten slices of time: adding is constant time and needs no timer, and what is older than the
 * window is forgotten a slice at a time. Nothing is ever older than the window, and nothing within nine tenths of it is missing.
 */
import { now } from '../runtime.ts';

const SLICES = 10;

/** Counters over the last `windowMs` milliseconds. */
export class SlidingWindow {
  readonly #sliceMs: number;
  readonly #counters: number;
  readonly #slices: Float64Array;
  readonly #totals: Float64Array;
  #slice = 0;
  #endsAt = -Infinity;

  /** `counters` is how many things are counted side by side. */
  constructor(windowMs: number, counters: number) {
    this.#sliceMs = windowMs / SLICES;
    this.#counters = counters;
    this.#slices = new Float64Array(SLICES * counters);
    this.#totals = new Float64Array(counters);
  }

  /** Adds `amount` to a counter, now. */
  add(counter: number, amount: number): void {
    this.#advance();
    increase(this.#slices, this.#slice * this.#counters + counter, amount);
    increase(this.#totals, counter, amount);
  }

  /** What a counter has seen within the window. */
  total(counter: number): number {
    this.#advance();
    return this.#totals[counter] ?? 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.#slices.fill(0);
    this.#totals.fill(0);
  }

  /** Moves on to the slice of the present, forgetting those it passes. */
  #advance(): void {
    const at = now();
    if (at < this.#endsAt) return;
    const passed = Math.floor((at - this.#endsAt) / this.#sliceMs) + 1;
    if (passed >= SLICES) {
      this.clear();
      this.#endsAt = at + this.#sliceMs;
      return;
    }
    for (let step = 0; step < passed; step += 1) {
      this.#slice = (this.#slice + 1) % SLICES;
      for (let counter = 0; counter < this.#counters; counter += 1) {
        const index = this.#slice * this.#counters + counter;
        increase(this.#totals, counter, -(this.#slices[index] ?? 0));
        this.#slices[index] = 0;
      }
    }
    this.#endsAt += passed * this.#sliceMs;
  }
}

function increase(counts: Float64Array, index: number, amount: number): void {
  counts[index] = (counts[index] ?? 0) + amount;
}
