/** What a limit answers when it is reached. All of them mean: nothing was run. */
import { Refusal } from './holdfast-error.ts';

/** Every slot is taken and the waiting line is full, or its time ran out (code `BULKHEAD_FULL`). */
export class BulkheadFullError extends Refusal {
  override readonly name = 'BulkheadFullError';
  override readonly code = 'BULKHEAD_FULL';
  /** How many calls may run at once. */
  readonly limit: number;
  /** How many calls were waiting when this one was refused. */
  readonly queued: number;

  constructor(bulkhead: string, limit: number, queued: number, retryAfterMs?: number) {
    super(`Bulkhead "${bulkhead}" is full (${limit} running, ${queued} waiting)`, { retryAfterMs });
    this.limit = limit;
    this.queued = queued;
  }
}

/** Every worker of a pool is busy and its queue is full (code `POOL_FULL`). */
export class PoolFullError extends Refusal {
  override readonly name = 'PoolFullError';
  override readonly code = 'POOL_FULL';
  /** Name of the pool. */
  readonly pool: string;
  /** How many calls may wait at most. */
  readonly maxQueue: number;

  constructor(pool: string, maxQueue: number, retryAfterMs?: number) {
    super(`Pool "${pool}" is full (${maxQueue} calls waiting)`, { retryAfterMs });
    this.pool = pool;
    this.maxQueue = maxQueue;
  }
}

/** As many tasks are running as the manager allows (code `TASK_LIMIT`). */
export class TaskLimitError extends Refusal {
  override readonly name = 'TaskLimitError';
  override readonly code = 'TASK_LIMIT';
  /** How many tasks may run at once. */
  readonly limit: number;

  constructor(manager: string, limit: number) {
    super(`Task manager "${manager}" already runs ${limit} tasks`);
    this.limit = limit;
  }
}

/** A rate limit is used up (code `RATE_LIMITED`); `retryAfterMs` says when the next call fits. */
export class RateLimitedError extends Refusal {
  override readonly name = 'RateLimitedError';
  override readonly code = 'RATE_LIMITED';

  constructor(limiter: string, retryAfterMs: number) {
    super(`Rate limit "${limiter}" is used up`, { retryAfterMs });
  }
}

/** The process sheds load before it breaks (code `OVERLOADED`). */
export class OverloadedError extends Refusal {
  override readonly name = 'OverloadedError';
  override readonly code = 'OVERLOADED';

  /** `retryAfterMs`: when the load may be gone, in milliseconds. */
  constructor(message: string, { retryAfterMs }: { readonly retryAfterMs: number }) {
    super(message, { retryAfterMs });
  }
}
