/**
 * Delays of the last one to two minutes in buckets an eighth of a power of two wide, so a quantile is at most 12.5 % too high
 * and never too low. Recording is one array increment; the minutes turn over when somebody records or reads, without a timer.
 */
import { now } from '../runtime.ts';

const WINDOW_MS = 60_000;
const STEPS = 8;
const LONGEST_US = 2 ** 31 - 1;
const BUCKETS = STEPS * 30;

function bucketOf(delayMs: number): number {
  const us = Math.min(LONGEST_US, Math.ceil(delayMs * 1_000)) | 0;
  if (us < STEPS) return us;
  const power = 31 - Math.clz32(us);
  return (power - 2) * STEPS + ((us >> (power - 3)) & (STEPS - 1));
}

/** The largest delay that falls into a bucket, in milliseconds. */
function upperEdgeMs(bucket: number): number {
  if (bucket < STEPS) return bucket / 1_000;
  const power = Math.floor(bucket / STEPS) + 2;
  return ((STEPS + (bucket % STEPS) + 1) * 2 ** (power - 3) - 1) / 1_000;
}

class Window {
  readonly counts: Uint32Array = new Uint32Array(BUCKETS);
  total = 0;
  longestMs = 0;
}

/** Quantiles of recent delays. */
export class DelayHistogram {
  #current: Window | undefined;
  #previous: Window | undefined;
  #since = 0;

  /** Counts one delay that ended at `at`. */
  record(delayMs: number, at: number): void {
    const window =
      this.#current !== undefined && at - this.#since < WINDOW_MS ? this.#current : this.#turn(at);
    window.total += 1;
    if (delayMs > window.longestMs) window.longestMs = delayMs;
    const bucket = bucketOf(delayMs);
    // a bucket always lies within the array
    window.counts[bucket] = (window.counts[bucket] ?? 0) + 1;
  }

  /** The delay that the share `q` of recent items did not exceed; `undefined` where there were none. */
  quantileMs(q: number): number | undefined {
    if (this.#current === undefined) return undefined;
    if (now() - this.#since >= WINDOW_MS) this.#turn(now());
    const windows = [this.#current, this.#previous].filter((window) => window !== undefined);
    const total = windows.reduce((sum, window) => sum + window.total, 0);
    const longestMs = Math.max(...windows.map((window) => window.longestMs));
    let rest = Math.ceil(total * q);
    if (total === 0) return undefined;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      for (const window of windows) rest -= window.counts[bucket] ?? 0;
      if (rest <= 0) return Math.min(upperEdgeMs(bucket), longestMs);
    }
    return longestMs;
  }

  #turn(at: number): Window {
    this.#previous = at - this.#since < 2 * WINDOW_MS ? this.#current : undefined;
    this.#current = new Window();
    this.#since = at;
    return this.#current;
  }
}
