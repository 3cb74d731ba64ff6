/** What a retry does about a failure: its options, checked once, and the answers that follow from them. */
import { checkFunction, checkName, checkOptionalFunction, checkTimeoutMs } from '../options/checks.ts';
import type { Awaitable } from '../signal/work-context.ts';
import { backoff, type Backoff, type BackoffOptions } from './backoff.ts';
import { checkErrorFilter, matches, type ErrorFilter } from './error-filter.ts';
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts';

/** What `onRetry` is told. */
export interface RetryEvent {
  /** The start that failed, counted from 1. */
  readonly attempt: number;
  readonly maxRetries: number;
  /** How long until the next start, in milliseconds. */
  readonly delayMs: number;
  /** What failed; `undefined` where a result was refused. */
  readonly error: unknown;
}

/** How something is retried. */
export interface RetryOptions extends BackoffOptions {
  /**
   * Which errors are tried again: classes, or a predicate. Whatever it says, an error whose `retryable` is false is not, and a
   * refusal of a full or open guard is only where its `retryAfterMs` fits a deadline.
   *
   * @default all
   */
  readonly retryIf?: ErrorFilter | undefined;
  /** Which results are tried again; when retries run out the last one is the outcome. @default none */
  readonly retryResultIf?: ((value: unknown) => Awaitable<boolean>) | undefined;
  /** Shortest wait an error asks for, in milliseconds. @default its own `retryAfterMs` */
  readonly retryAfterMs?: ((error: unknown) => number | undefined) | undefined;
  /** An error that asks for a longer wait than this is not tried again. @default 30_000 */
  readonly maxRetryAfterMs?: number | undefined;
  /** Limits retries to a share of calls. An instance is shared; options make one for each policy, or for this call. @default none */
  readonly budget?: RetryBudget | RetryBudgetOptions | undefined;
  /** Names it in events and errors. @default 'retry' */
  readonly name?: string | undefined;
  /** Told of each retry before its wait. It observes and cannot steer. */
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
}

/** Options of a retry, checked and complete. */
export class RetryPlan {
  readonly name: string;
  readonly maxRetries: number;
  readonly maxRetryAfterMs: number;
  readonly retryResultIf: RetryOptions['retryResultIf'];
  readonly onRetry: RetryOptions['onRetry'];
  readonly budget: RetryBudget | undefined;
  readonly #backoff: BackoffOptions;
  readonly #retryIf: ErrorFilter | undefined;
  readonly #retryAfterMs: (error: unknown) => unknown;

  constructor(options: RetryOptions) {
    const { name = 'retry', maxRetries = 3, budget, retryIf, retryAfterMs = ownRetryAfterMs } = options;
    this.name = checkName('name', name);
    this.maxRetries = maxRetries;
    this.maxRetryAfterMs = checkTimeoutMs('maxRetryAfterMs', options.maxRetryAfterMs ?? 30_000);
    if (retryIf !== undefined) checkErrorFilter('retryIf', retryIf);
    checkFunction('retryAfterMs', retryAfterMs);
    checkOptionalFunction('retryResultIf', options.retryResultIf);
    checkOptionalFunction('onRetry', options.onRetry);
    this.retryResultIf = options.retryResultIf;
    this.onRetry = options.onRetry;
    this.budget = budget === undefined || budget instanceof RetryBudget ? budget : new RetryBudget(budget);
    this.#backoff = options;
    this.#retryIf = retryIf;
    this.#retryAfterMs = retryAfterMs;
    this.backoff();
  }

  /** Delays for one execution. */
  backoff(): Backoff {
    return backoff(this.#backoff);
  }

  /** Whether this error is one to try again. May throw, or reject, what the predicate does. */
  readonly accepts = (error: unknown): Awaitable<boolean> =>
    this.#retryIf === undefined || matches(this.#retryIf, error);

  /** Shortest wait the error asks for; 0 where it asks for none. */
  hintMs(error: unknown): number {
    const hint = this.#retryAfterMs(error);
    return typeof hint === 'number' && hint > 0 ? hint : 0;
  }
}

function ownRetryAfterMs(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, 'retryAfterMs') : undefined;
}
