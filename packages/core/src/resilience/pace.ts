/** When the next start is allowed: a bucket of tokens that fills evenly, or a window that slides over the last starts. */

/** Says when starts are allowed. Times are milliseconds on one clock. */
export interface Pace {
  /** Takes a start at this time; false where it is too early. */
  take(at: number): boolean;
  /** How long from this time until a start is allowed after `ahead` others; 0 where it is now. */
  waitMs(at: number, ahead: number): number;
}

/** Fractions of tokens add up with an error; a start less than a millionth of a token early is on time. */
const GRAIN = 1e-6;

/** Up to `burst` starts at once, and `limit` per interval in the long run. */
export class TokenBucket implements Pace {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number | undefined;

  constructor(limit: number, intervalMs: number, burst: number) {
    this.#perMs = limit / intervalMs;
    this.#burst = burst;
    this.#tokens = burst;
  }

  take(at: number): boolean {
    this.#fill(at);
    if (this.#tokens < 1 - GRAIN) return false;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return true;
  }

  waitMs(at: number, ahead: number): number {
    this.#fill(at);
    const missing = ahead + 1 - this.#tokens;
    return missing <= GRAIN ? 0 : missing / this.#perMs;
  }

  #fill(at: number): void {
    const passedMs = at - (this.#filledAt ?? at);
    this.#filledAt = at;
    this.#tokens = Math.min(this.#burst, this.#tokens + passedMs * this.#perMs);
  }
}

/** In no interval, wherever it begins, more than `limit` starts. */
export class SlidingStarts implements Pace {
  readonly #limit: number;
  readonly #intervalMs: number;
  /** When the last starts were, in a ring; the oldest of them is the next to be overwritten. */
  readonly #starts: number[] = [];
  #next = 0;

  constructor(limit: number, intervalMs: number) {
    this.#limit = limit;
    this.#intervalMs = intervalMs;
  }

  take(at: number): boolean {
    if (this.waitMs(at, 0) > 0) return false;
    this.#starts[this.#next] = at;
    this.#next = (this.#next + 1) % this.#limit;
    return true;
  }

  waitMs(at: number, ahead: number): number {
    const start = this.#starts[(this.#next + ahead) % this.#limit] ?? -Infinity;
    const rounds = Math.floor(ahead / this.#limit);
    return Math.max(0, start + this.#intervalMs - at) + rounds * this.#intervalMs;
  }
}
