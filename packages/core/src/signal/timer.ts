/**
 * A timer that is set again and again, by one who has only one at a time. It never rings early: a runtime's own counts whole
 * milliseconds, and who was told to wait until a circuit lets him in would be refused again.
 */
import { MAX_TIMER_MS } from '../options/checks.ts';
import { now } from '../runtime.ts';

/** More than a timer rings early: it leaves out the fraction of its delay, and of the time it was set at. */
const EARLY_MS = 2;

/** One timer. */
export class Timer {
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Calls `ring` after that time, in place of what was set before. What is longer than a timer can be never rings. */
  set(delayMs: number, ring: () => void): void {
    this.clear();
    if (delayMs > MAX_TIMER_MS) return;
    const dueAt = now() + delayMs;
    const rung = (): void => {
      const earlyMs = dueAt - now();
      // by more it is not the timer that is early, but a fake one that leaves the clock alone
      if (earlyMs > 0 && earlyMs < EARLY_MS) this.#timer = setTimeout(rung, earlyMs);
      else ring();
    };
    this.#timer = setTimeout(rung, delayMs);
  }

  /** Rings no more. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
