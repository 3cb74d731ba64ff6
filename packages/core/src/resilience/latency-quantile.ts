/**
 * How long calls to a dependency usually take: a quantile of the last durations. It is shared by all who call the dependency, and
 * says nothing before it has seen enough of them.
 */
import { checkDelayMs, checkInteger, checkOptions, checkRate, outOfRange } from '../options/checks.ts';

/** How a quantile is made. */
export interface LatencyQuantileOptions {
  /** Share of calls that take no longer: above 0, at most 1. @default 0.95 */
  readonly quantile?: number | undefined;
  /** How many durations are kept. @default 100 */
  readonly windowSize?: number | undefined;
  /** How many have to be known before it says anything. @default 20, or `windowSize` where that is less */
  readonly minimumCalls?: number | undefined;
  /** Shortest delay it gives, in milliseconds. @default 1 */
  readonly minDelayMs?: number | undefined;
}

/** Sorting is only worth while when some of the durations have changed. */
const STALE_AFTER = 10;

/** A quantile of the durations it is told. */
export class LatencyQuantile {
  readonly #quantile: number;
  readonly #windowSize: number;
  readonly #minimumCalls: number;
  readonly #minDelayMs: number;
  readonly #durations: number[] = [];
  #next = 0;
  #unseen = 0;
  #delayMs: number | undefined;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: LatencyQuantileOptions = {}) {
    checkOptions('options', options, ['quantile', 'windowSize', 'minimumCalls', 'minDelayMs']);
    this.#quantile = checkRate('quantile', options.quantile ?? 0.95);
    const size = checkInteger('windowSize', options.windowSize ?? 100, 1);
    const minimum = checkInteger('minimumCalls', options.minimumCalls ?? Math.min(20, size), 1);
    if (minimum > size) throw outOfRange('minimumCalls', `at most windowSize, ${size}`, minimum);
    this.#windowSize = size;
    this.#minimumCalls = minimum;
    this.#minDelayMs = checkDelayMs('minDelayMs', options.minDelayMs ?? 1);
  }

  /** The quantile in milliseconds; `undefined` while too few durations are known. */
  get delayMs(): number | undefined {
    const known = this.#durations.length;
    if (known < this.#minimumCalls) return undefined;
    if (this.#delayMs === undefined || this.#unseen >= Math.min(STALE_AFTER, known)) {
      const sorted = this.#durations.toSorted((a, b) => a - b);
      this.#delayMs = Math.max(this.#minDelayMs, sorted[Math.ceil(this.#quantile * known) - 1] ?? 0);
      this.#unseen = 0;
    }
    return this.#delayMs;
  }

  /** Tells how long a call took, or had taken when it was given up for a faster one. */
  record(durationMs: number): void {
    this.#durations[this.#next] = durationMs;
    this.#next = (this.#next + 1) % this.#windowSize;
    this.#unseen += 1;
  }
}
