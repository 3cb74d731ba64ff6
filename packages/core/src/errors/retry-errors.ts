/** Errors by which work tells `retry` and job queues what to do next. */
import { HoldfastError } from './holdfast-error.ts';

/** Do not try again (code `NO_RETRY`); `cause` is why. Made by `noRetry`. */
export class NoRetryError extends HoldfastError {
  override readonly name = 'NoRetryError';
  override readonly code = 'NO_RETRY';

  constructor(cause: unknown, message?: string) {
    super(message ?? (cause instanceof Error ? cause.message : String(cause)), { cause, retryable: false });
  }
}

/** Try again, but not before `retryAfterMs` (code `RETRY_LATER`). Made by `retryLater`. */
export class RetryLaterError extends HoldfastError {
  override readonly name = 'RetryLaterError';
  override readonly code = 'RETRY_LATER';

  constructor(retryAfterMs: number, cause?: unknown) {
    super(`Try again in ${retryAfterMs} ms`, { retryAfterMs, ...(cause === undefined ? {} : { cause }) });
  }
}
