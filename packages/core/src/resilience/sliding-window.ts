/**
 * Outcomes of late: those of the last `windowMs` milliseconds, or the last `size` ones. Adding is constant time and needs no
 * timer. Time is forgotten in ten slices: nothing is ever older than the window, and nothing within nine tenths of it is missing.
 */
import { now } from '../runtime.ts';

/** How many calls were settled, and how many of them failed and were slow. */
export interface Tally {
  settled: number;
  failures: number;
  slow: number;
}

/** Outcomes within a window. */
export interface OutcomeWindow extends Readonly<Tally> {
  /** Adds one outcome, now; the figures are exact after it. */
  add(failed: boolean, slow: boolean): void;
  /** Forgets everything, or what is too old by now. */
  forget(all: boolean): void;
  /** Takes these to have happened now, in place of what it holds. */
  load(tally: Tally): void;
}

const SLICES = 10;
/** Numbers kept for each slice: settled, failures, slow. */
const WIDTH = 3;

/** Outcomes of the last `windowMs` milliseconds. */
export class TimeWindow implements OutcomeWindow {
  settled = 0;
  failures = 0;
  slow = 0;
  readonly #sliceMs: number;
  #slices: number[] = [];
  #at = 0;
  #endsAt = -Infinity;

  constructor(windowMs: number) {
    this.#sliceMs = windowMs / SLICES;
  }

  add(failed: boolean, slow: boolean): void {
    this.forget(false);
    this.settled += 1;
    this.#count(0);
    if (failed) {
      this.failures += 1;
      this.#count(1);
    }
    if (slow) {
      this.slow += 1;
      this.#count(2);
    }
  }

  forget(all: boolean): void {
    const time = now();
    if (time < this.#endsAt && !all) return;
    const passed = Math.floor((time - this.#endsAt) / this.#sliceMs) + 1;
    if (all || passed >= SLICES) {
      this.settled = this.failures = this.slow = this.#at = 0;
      this.#slices = Array.from({ length: SLICES * WIDTH }, () => 0);
      this.#endsAt = time + this.#sliceMs;
      return;
    }
    for (let step = 0; step < passed; step += 1) {
      this.#at = (this.#at + WIDTH) % this.#slices.length;
      this.settled -= this.#take(0);
      this.failures -= this.#take(1);
      this.slow -= this.#take(2);
    }
    this.#endsAt += passed * this.#sliceMs;
  }

  load({ settled, failures, slow }: Tally): void {
    this.forget(true);
    this.settled = this.#slices[0] = settled;
    this.failures = this.#slices[1] = failures;
    this.slow = this.#slices[2] = slow;
  }

  #count(which: number): void {
    this.#slices[this.#at + which] = (this.#slices[this.#at + which] ?? 0) + 1;
  }

  #take(which: number): number {
    const count = this.#slices[this.#at + which] ?? 0;
    this.#slices[this.#at + which] = 0;
    return count;
  }
}

const FAILED = 1;
const SLOW = 2;

/** The last `size` outcomes. */
export class CountWindow implements OutcomeWindow {
  settled = 0;
  failures = 0;
  slow = 0;
  readonly #size: number;
  readonly #ring: number[] = [];
  #at = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(failed: boolean, slow: boolean): void {
    if (this.settled === this.#size) {
      const oldest = this.#ring[this.#at] ?? 0;
      if ((oldest & FAILED) !== 0) this.failures -= 1;
      if ((oldest & SLOW) !== 0) this.slow -= 1;
    } else {
      this.settled += 1;
    }
    if (failed) this.failures += 1;
    if (slow) this.slow += 1;
    this.#ring[this.#at] = (failed ? FAILED : 0) | (slow ? SLOW : 0);
    this.#at = (this.#at + 1) % this.#size;
  }

  forget(all: boolean): void {
    if (!all) return;
    this.settled = this.failures = this.slow = this.#at = 0;
    this.#ring.length = 0;
  }

  load({ settled, failures, slow }: Tally): void {
    this.forget(true);
    const count = Math.min(settled, this.#size);
    // of more than it holds it takes the same shares
    const share = count / settled;
    for (let call = 0; call < count; call += 1)
      this.add(call < Math.round(failures * share), count - call <= Math.round(slow * share));
  }
}
