/**
 * How many retries a dependency may be sent, as a share of the calls it gets: when everything fails, retries stop adding to the
 * load that made it fail. One budget is shared by all who call the dependency. It limits new retries and ends nothing that runs.
 */
import { checkBetween, checkOptions, checkTimeoutMs, outOfRange } from '../options/checks.ts';
import { SlidingWindow } from './sliding-window.ts';

/** How a budget is made. */
export interface RetryBudgetOptions {
  /** Retries per call: 0.2 lets every fifth call be tried once more. From 0 to 1 000. @default 0.2 */
  readonly ratio?: number | undefined;
  /** Retries per second that are allowed however few calls there are. @default 10 */
  readonly minPerSec?: number | undefined;
  /** How long a call counts, in milliseconds. @default 10_000 */
  readonly ttlMs?: number | undefined;
}

const CALLS = 0;
const RETRIES = 1;

/** A number of retries that grows with calls, shrinks with retries, and forgets both after `ttlMs`. */
export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  readonly #window: SlidingWindow;

  constructor(options: RetryBudgetOptions = {}) {
    checkOptions('budget', options, ['ratio', 'minPerSec', 'ttlMs']);
    const { ratio = 0.2, minPerSec = 10, ttlMs = 10_000 } = options;
    this.#ratio = checkBetween('budget.ratio', ratio, 0, 1_000);
    checkTimeoutMs('budget.ttlMs', ttlMs);
    if (ttlMs === Infinity) throw outOfRange('budget.ttlMs', 'finite', ttlMs);
    this.#reserve = (checkBetween('budget.minPerSec', minPerSec, 0, Number.MAX_VALUE) * ttlMs) / 1_000;
    this.#window = new SlidingWindow(ttlMs, 2);
  }

  /** How many retries are allowed now. */
  get available(): number {
    const earned = this.#window.total(CALLS) * this.#ratio;
    // a refund may outlive what it refunds
    const spent = Math.max(0, this.#window.total(RETRIES));
    // the millionth takes back what a sum of fractions lost
    return Math.max(0, Math.floor(this.#reserve + earned - spent + 1e-6));
  }

  /** Counts a call. */
  deposit(): void {
    this.#window.add(CALLS, 1);
  }

  /** Takes one retry out; false where there is none. To be called when the retry is decided, before the wait. */
  spend(): boolean {
    if (this.available < 1) return false;
    this.#window.add(RETRIES, 1);
    return true;
  }

  /** Puts a retry back that was decided and not made. */
  refund(): void {
    this.#window.add(RETRIES, -1);
  }
}
