/**
 * How long to wait before trying again: exponential growth up to a cap, with jitter so that callers who failed together do not
 * come back together. The trap: `decorrelated` grows from the delay before, so each execution needs a function of its own.
 */
import {
  MAX_TIMER_MS,
  checkBetween,
  checkDelayMs,
  checkInteger,
  checkOneOf,
  checkType,
} from '../options/checks.ts';

/** How delays are spread. */
export type Jitter = 'full' | 'equal' | 'decorrelated' | 'none';

/** How often to try again, and how long to wait in between. */
export interface BackoffOptions {
  /** How often to try again after the first start; 3 makes at most 4 starts. `Infinity` never stops. @default 3 */
  readonly maxRetries?: number | undefined;
  /** Ceiling of the first delay, in milliseconds. @default 100 */
  readonly baseDelayMs?: number | undefined;
  /** How much the ceiling grows with each failure: 1 or more. @default 2 */
  readonly factor?: number | undefined;
  /** Where the ceiling stops growing, in milliseconds. @default 20_000 */
  readonly maxDelayMs?: number | undefined;
  /**
   * With `c` the ceiling: `full` is anything from 0 to c, `equal` from c/2 to c, `none` is c itself, `decorrelated` anything from
   * the base to three times the delay before, at most the cap.
   *
   * @default 'full'
   */
  readonly jitter?: Jitter | undefined;
  /** Where chance comes from: a number from 0 up to, but not including, 1. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Milliseconds to wait after that many failures, counted from 1. */
export type Backoff = (failures: number) => number;

const JITTERS: readonly Jitter[] = ['full', 'equal', 'decorrelated', 'none'];

/** Checks the options of a back-off. */
export function checkBackoff(options: BackoffOptions): void {
  const { maxRetries, baseDelayMs, factor, maxDelayMs, jitter, random } = options;
  if (maxRetries !== undefined) checkInteger('maxRetries', maxRetries, 0, true);
  if (maxDelayMs !== undefined) checkDelayMs('maxDelayMs', maxDelayMs);
  if (baseDelayMs !== undefined) checkBetween('baseDelayMs', baseDelayMs, 0, maxDelayMs ?? MAX_TIMER_MS);
  if (factor !== undefined) checkBetween('factor', factor, 1, Number.MAX_VALUE);
  if (jitter !== undefined) checkOneOf('jitter', jitter, JITTERS);
  if (random !== undefined) checkType('random', random, 'function');
}

/**
 * Makes the function that says how long to wait after `failures` failures in a row.
 *
 * @example
 * const delayMs = backoff({ baseDelayMs: 1_000, maxDelayMs: 60_000, jitter: 'none' });
 * delayMs(3); // 4 000
 *
 * @throws TypeError, RangeError on bad options.
 */
export function backoff(options: BackoffOptions = {}): Backoff {
  checkBackoff(options);
  const { baseDelayMs = 100, factor = 2, jitter = 'full', random = Math.random } = options;
  // where only one of the two is given it moves the other
  const cap = options.maxDelayMs ?? Math.max(20_000, baseDelayMs);
  const base = Math.min(baseDelayMs, cap);
  let previous = base;
  return (failures) => {
    if (jitter === 'decorrelated') {
      if (failures <= 1) previous = base;
      return (previous = Math.min(cap, base + random() * (previous * 3 - base)));
    }
    // the power may be infinite, and a base of 0 times that is no number
    const ceiling = Math.min(cap, base * Math.min(factor ** (failures - 1), Number.MAX_VALUE));
    const share = jitter === 'none' ? 1 : jitter === 'full' ? random() : (1 + random()) / 2;
    return ceiling * share;
  };
}
