/** What a job queue and its engine answer. */
import { HoldfastError } from './holdfast-error.ts';

/** The engine did not confirm in time (code `ENQUEUE_TIMEOUT`). The outcome is unknown: enqueue again with the same id. */
export class EnqueueTimeoutError extends HoldfastError {
  override readonly name = 'EnqueueTimeoutError';
  override readonly code = 'ENQUEUE_TIMEOUT';
  /** How long was waited, in milliseconds. */
  readonly timeoutMs: number;

  constructor(queue: string, timeoutMs: number) {
    super(`Queue "${queue}" did not confirm within ${timeoutMs} ms; whether the job was accepted is unknown`);
    this.timeoutMs = timeoutMs;
  }
}

/** The engine cannot be reached (code `ENGINE_UNAVAILABLE`). The job was not accepted. */
export class EngineUnavailableError extends HoldfastError {
  override readonly name = 'EngineUnavailableError';
  override readonly code = 'ENGINE_UNAVAILABLE';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
  }
}

/** Another worker may hold the job by now (code `LEASE_LOST`): what runs after this must not commit. */
export class LeaseLostError extends HoldfastError {
  override readonly name = 'LeaseLostError';
  override readonly code = 'LEASE_LOST';

  constructor(queue: string, jobId: string) {
    super(`Lost the lease of job "${jobId}" on queue "${queue}"`, { retryable: false });
  }
}

/** The payload cannot be encoded without loss (code `PAYLOAD_INVALID`). */
export class PayloadInvalidError extends HoldfastError {
  override readonly name = 'PayloadInvalidError';
  override readonly code = 'PAYLOAD_INVALID';
  /** Where in the payload, such as `$.items[3].price`. */
  readonly path: string;

  constructor(path: string, why: string) {
    super(`Payload cannot be encoded: ${path} ${why}`, { retryable: false });
    this.path = path;
  }
}

/** The encoded payload is too large (code `PAYLOAD_TOO_LARGE`). */
export class PayloadTooLargeError extends HoldfastError {
  override readonly name = 'PayloadTooLargeError';
  override readonly code = 'PAYLOAD_TOO_LARGE';
  /** Encoded size in bytes. */
  readonly bytes: number;
  /** Largest size accepted, in bytes. */
  readonly maxBytes: number;

  constructor(bytes: number, maxBytes: number) {
    super(`Payload of ${bytes} bytes is larger than ${maxBytes}`, { retryable: false });
    this.bytes = bytes;
    this.maxBytes = maxBytes;
  }
}

/** The engine cannot do what was asked (code `UNSUPPORTED`); its capabilities say so. */
export class UnsupportedError extends HoldfastError {
  override readonly name = 'UnsupportedError';
  override readonly code = 'UNSUPPORTED';

  constructor(message: string) {
    super(message, { retryable: false });
  }
}

/** The engine is configured so that accepted jobs can be lost (code `UNSAFE_ENGINE`). */
export class UnsafeEngineError extends HoldfastError {
  override readonly name = 'UnsafeEngineError';
  override readonly code = 'UNSAFE_ENGINE';

  constructor(message: string) {
    super(message, { retryable: false });
  }
}
