/** Options of a retry, and what they may not be. */
import { checkBetween, checkType } from '../options/checks.ts';
import type { Awaitable } from '../signal/work-context.ts';
import { checkBackoff, type BackoffOptions } from './backoff.ts';
import { checkErrorFilter, type ErrorFilter } from './error-filter.ts';
import type { RetryBudget, RetryBudgetOptions } from './retry-budget.ts';

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

/** Checks all but the budget. */
export function checkRetryOptions(options: RetryOptions): void {
  const { name, retryIf, retryResultIf, retryAfterMs, maxRetryAfterMs, onRetry } = options;
  checkBackoff(options);
  if (name !== undefined) checkType('name', name, 'string');
  if (retryIf !== undefined) checkErrorFilter('retryIf', retryIf);
  if (retryResultIf !== undefined) checkType('retryResultIf', retryResultIf, 'function');
  if (retryAfterMs !== undefined) checkType('retryAfterMs', retryAfterMs, 'function');
  if (maxRetryAfterMs !== undefined) checkBetween('maxRetryAfterMs', maxRetryAfterMs, 0, Infinity);
  if (onRetry !== undefined) checkType('onRetry', onRetry, 'function');
}
