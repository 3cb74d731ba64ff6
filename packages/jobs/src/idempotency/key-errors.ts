/** What an idempotency guard answers when it does not run the work. */
import { HoldfastError } from '@holdfast/core';
import { Refusal } from '@holdfast/core/internal';

/** The key's work runs elsewhere, and was not finished in the time given (code `KEY_IN_USE`). Nothing was run here. */
export class KeyInUseError extends Refusal {
  override readonly name = 'KeyInUseError';
  override readonly code = 'KEY_IN_USE';
  /** The key. */
  readonly key: string;

  constructor(guard: string, key: string, retryAfterMs: number) {
    super(`Key "${key}" of "${guard}" is in use`, { retryAfterMs });
    this.key = key;
  }
}

/** The key was used before, for something else (code `KEY_REUSED`). */
export class KeyReusedError extends HoldfastError {
  override readonly name = 'KeyReusedError';
  override readonly code = 'KEY_REUSED';
  /** The key. */
  readonly key: string;

  constructor(guard: string, key: string) {
    super(`Key "${key}" of "${guard}" was used for something else`, { retryable: false });
    this.key = key;
  }
}
