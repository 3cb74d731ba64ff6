/**
 * How many retries a dependency may be sent, as a share of the calls it gets: when everything fails, retries stop adding to the
 * load that made it fail. One budget is shared by all who call the dependency. It limits new retries and ends nothing that runs.
 */
import { checkBetween, checkOptions, MAX_TIMER_MS } from '../options/checks.ts';
import { now } from '../runtime.ts';

/** How a budget is made. */
export interface RetryBudgetOptions {
  /** Retries per call: 0.2 lets every fifth call be tried once more. From 0 to 1 000. @default 0.2 */
  readonly ratio?: number | undefined;
  /** Retries per second that are allowed however few calls there are. @default 10 */
  readonly minPerSec?: number | undefined;
  /** How long a call counts, and a retry, in milliseconds: 1 or more. @default 10_000 */
  readonly ttlMs?: number | undefined;
}

const SLICES = 10;

/** A number of retries that grows with calls, shrinks with retries, and forgets both after `ttlMs`, a tenth of it at a time. */
export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  readonly #sliceMs: number;
  /** What each slice of time has earned, less what it has spent. */
  readonly #slices: Map<number, number> = new Map<number, number>();
  #refused = 0;

  constructor(options: RetryBudgetOptions = {}) {
    checkOptions('budget', options, ['ratio', 'minPerSec', 'ttlMs']);
    const { ratio = 0.2, minPerSec = 10, ttlMs = 10_000 } = options;
    this.#ratio = checkBetween('budget.ratio', ratio, 0, 1_000);
    this.#sliceMs = checkBetween('budget.ttlMs', ttlMs, 1, MAX_TIMER_MS) / SLICES;
    this.#reserve = (checkBetween('budget.minPerSec', minPerSec, 0, 1e9) * ttlMs) / 1_000;
  }

  /** How many retries are allowed now. */
  get available(): number {
    let sum = this.#reserve;
    const oldest = Math.floor(now() / this.#sliceMs) - SLICES;
    for (const [slice, net] of this.#slices) {
      if (slice > oldest) sum += net;
      else this.#slices.delete(slice);
    }
    // the millionth takes back what a sum of fractions lost
    return Math.max(0, Math.floor(sum + 1e-6));
  }

  /** How many retries were not made for want of budget. */
  get refused(): number {
    return this.#refused;
  }

  /** Counts a call. */
  deposit(): void {
    this.#add(this.#ratio);
  }

  /** Takes one retry out; false where there is none. To be called when the retry is decided, before the wait. */
  spend(): boolean {
    const allowed = this.available >= 1;
    if (allowed) this.#add(-1);
    else this.#refused += 1;
    return allowed;
  }

  /** Puts a retry back that was decided and not made. */
  refund(): void {
    this.#add(1);
  }

  #add(amount: number): void {
    const slice = Math.floor(now() / this.#sliceMs);
    this.#slices.set(slice, (this.#slices.get(slice) ?? 0) + amount);
    if (this.#slices.size > SLICES + 1) void this.available;
  }
}

/** The budget that an option means: the instance given, or one made of the options given. */
export function budgetOf(option: RetryBudget | RetryBudgetOptions | undefined): RetryBudget | undefined {
  return option === undefined || option instanceof RetryBudget ? option : new RetryBudget(option);
}
