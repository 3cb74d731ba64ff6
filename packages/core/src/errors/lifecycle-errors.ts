/** Why work was refused or aborted by the life of something around it: its service, its caller, its group. */
import { HoldfastError, Refusal } from './holdfast-error.ts';

/** The service is shutting down (code `SHUTTING_DOWN`): new work is refused, or running work is aborted with this reason. */
export class ShuttingDownError extends Refusal {
  override readonly name = 'ShuttingDownError';
  override readonly code = 'SHUTTING_DOWN';

  constructor(service: string, options: { readonly retryAfterMs?: number | undefined } = {}) {
    super(`"${service}" is shutting down`, { retryable: false, ...options });
  }
}

/** The caller has left (code `DISCONNECTED`): nobody waits for the answer any more. */
export class DisconnectedError extends HoldfastError {
  override readonly name = 'DisconnectedError';
  override readonly code = 'DISCONNECTED';

  constructor() {
    super('The caller disconnected', { retryable: false });
  }
}

/** Abort reason of a task whose sibling failed (code `SIBLING_FAILED`); `cause` is the sibling's error. */
export class SiblingFailedError extends HoldfastError {
  override readonly name = 'SiblingFailedError';
  override readonly code = 'SIBLING_FAILED';

  constructor(cause: unknown) {
    super('Cancelled because a sibling task failed', { cause, retryable: false });
  }
}

/** The task group has ended or was cancelled; it starts nothing more (code `GROUP_CLOSED`). */
export class TaskGroupClosedError extends Refusal {
  override readonly name = 'TaskGroupClosedError';
  override readonly code = 'GROUP_CLOSED';

  constructor(group: string) {
    super(`Task group "${group}" is closed`, { retryable: false });
  }
}

/** A worker thread died under its call (code `WORKER_CRASHED`); `cause` says how, where that is known. */
export class WorkerCrashedError extends HoldfastError {
  override readonly name = 'WorkerCrashedError';
  override readonly code = 'WORKER_CRASHED';

  constructor(pool: string, cause: unknown) {
    super(`A worker of pool "${pool}" crashed`, { cause });
  }
}
