/** The guard by which callers tell Holdfast errors apart, also those of another copy of the package. */
import type { CircuitOpenError } from './circuit-open-error.ts';
import { HOLDFAST_ERROR } from './brand.ts';
import type { HoldfastCode, HoldfastError } from './holdfast-error.ts';
import type { HttpStatusError } from './http-status-error.ts';
import type {
  EngineUnavailableError,
  EnqueueTimeoutError,
  LeaseLostError,
  PayloadInvalidError,
  PayloadTooLargeError,
  UnsafeEngineError,
  UnsupportedError,
} from './job-errors.ts';
import type {
  DisconnectedError,
  ShuttingDownError,
  SiblingFailedError,
  TaskGroupClosedError,
  WorkerCrashedError,
} from './lifecycle-errors.ts';
import type {
  BulkheadFullError,
  OverloadedError,
  PoolFullError,
  RateLimitedError,
  TaskLimitError,
} from './limit-errors.ts';
import type { QueueClosedError, QueueFullError } from './queue-errors.ts';
import type { NoRetryError, RetryLaterError } from './retry-errors.ts';
import type { TimeoutError } from './timeout-error.ts';

/** Which class stands behind which code. */
export interface HoldfastErrors extends Record<HoldfastCode, HoldfastError> {
  BULKHEAD_FULL: BulkheadFullError;
  CIRCUIT_OPEN: CircuitOpenError;
  DISCONNECTED: DisconnectedError;
  ENGINE_UNAVAILABLE: EngineUnavailableError;
  ENQUEUE_TIMEOUT: EnqueueTimeoutError;
  GROUP_CLOSED: TaskGroupClosedError;
  HTTP_STATUS: HttpStatusError;
  LEASE_LOST: LeaseLostError;
  NO_RETRY: NoRetryError;
  OVERLOADED: OverloadedError;
  PAYLOAD_INVALID: PayloadInvalidError;
  PAYLOAD_TOO_LARGE: PayloadTooLargeError;
  POOL_FULL: PoolFullError;
  QUEUE_CLOSED: QueueClosedError;
  QUEUE_FULL: QueueFullError;
  RATE_LIMITED: RateLimitedError;
  RETRY_LATER: RetryLaterError;
  SHUTTING_DOWN: ShuttingDownError;
  SIBLING_FAILED: SiblingFailedError;
  TASK_LIMIT: TaskLimitError;
  TIMEOUT: TimeoutError;
  UNSAFE_ENGINE: UnsafeEngineError;
  UNSUPPORTED: UnsupportedError;
  WORKER_CRASHED: WorkerCrashedError;
}

/**
 * Whether `error` is Holdfast's own, of the given code where one is given.
 *
 * @example
 * if (isHoldfastError(error, 'CIRCUIT_OPEN')) retryIn(error.retryAfterMs);
 */
export function isHoldfastError(error: unknown): error is HoldfastError;
export function isHoldfastError<C extends HoldfastCode>(error: unknown, code: C): error is HoldfastErrors[C];
export function isHoldfastError(error: unknown, code?: HoldfastCode): boolean {
  if (typeof error !== 'object' || error === null || !(HOLDFAST_ERROR in error)) return false;
  return code === undefined || (error as HoldfastError).code === code;
}
