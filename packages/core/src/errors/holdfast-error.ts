/**
 * The one base class of everything Holdfast rejects with. Match errors by `code` (see `isHoldfastError`), never by message
 * and never by `instanceof` alone: two copies of the package may be loaded in one process.
 */

import { HOLDFAST_ERROR } from './brand.ts';

/** Every code a Holdfast error can carry. */
export type HoldfastCode =
  | 'BULKHEAD_FULL'
  | 'CIRCUIT_OPEN'
  | 'DISCONNECTED'
  | 'ENGINE_UNAVAILABLE'
  | 'ENQUEUE_TIMEOUT'
  | 'GROUP_CLOSED'
  | 'HTTP_STATUS'
  | 'KEY_IN_USE'
  | 'KEY_REUSED'
  | 'LEASE_LOST'
  | 'NO_RETRY'
  | 'OVERLOADED'
  | 'PAYLOAD_INVALID'
  | 'PAYLOAD_TOO_LARGE'
  | 'POOL_FULL'
  | 'QUEUE_CLOSED'
  | 'QUEUE_FULL'
  | 'RATE_LIMITED'
  | 'RETRY_LATER'
  | 'SHUTTING_DOWN'
  | 'SIBLING_FAILED'
  | 'TASK_LIMIT'
  | 'TIMEOUT'
  | 'UNSAFE_ENGINE'
  | 'UNSUPPORTED'
  | 'WORKER_CRASHED';

/** What every Holdfast error may be given beside its message. */
export interface HoldfastErrorOptions {
  /** What led to this error. */
  readonly cause?: unknown;
  /** Whether trying again can help. @default true */
  readonly retryable?: boolean | undefined;
  /** How long to wait before trying again, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** Base of all Holdfast errors: a stable `code`, and what a caller may do next. */
export abstract class HoldfastError extends Error {
  /** Stable identifier of the situation. */
  abstract readonly code: HoldfastCode;
  /** Brand by which `isHoldfastError` and `isRefusal` know errors of another copy of this package. */
  readonly [HOLDFAST_ERROR]: 'error' | 'refusal' = 'error';
  /** `false` where trying again cannot help; `retry` respects it. */
  readonly retryable: boolean;
  /** How long to wait before trying again, in milliseconds, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: HoldfastErrorOptions = {}) {
    super(message, options);
    this.retryable = options.retryable ?? true;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Base of the errors that are our own refusal, made before anything was run: no breaker counts them, no attempt was spent. */
export abstract class Refusal extends HoldfastError {
  override readonly [HOLDFAST_ERROR] = 'refusal';
}
