/** What work throws to tell `retry`, a policy or a job queue what to do next. */
import { NoRetryError, RetryLaterError } from '../errors/retry-errors.ts';
import { checkDelayMs } from '../options/checks.ts';

/**
 * An error after which nothing is tried again, whatever `retryIf` says; `cause` is why.
 *
 * @example
 * if (response.status === 404) throw noRetry(new Error('no such user'));
 */
export function noRetry(cause: unknown, message?: string): NoRetryError {
  return new NoRetryError(cause, message);
}

/**
 * An error after which the next try comes no sooner than `retryAfterMs` milliseconds later.
 *
 * @throws TypeError, RangeError on anything but a delay.
 */
export function retryLater(retryAfterMs: number, cause?: unknown): RetryLaterError {
  return new RetryLaterError(checkDelayMs('retryAfterMs', retryAfterMs), cause);
}
