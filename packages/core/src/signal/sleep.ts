/** A pause that ends early when its caller leaves. */
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkDelayMs } from '../options/checks.ts';
import { linkAbort, unlinkAbort, type AbortListener } from './abort-links.ts';
import { checkCallOptions, type CallOptions } from './work-context.ts';

/**
 * Resolves after `delayMs` milliseconds. An abort rejects at once with the signal's reason; a deadline that passes first rejects
 * when it passes.
 *
 * @throws TypeError, RangeError (as rejections) on bad arguments.
 * @throws TimeoutError of kind `deadline`.
 */
export async function sleep(delayMs: number, options: CallOptions = {}): Promise<void> {
  checkDelayMs('delayMs', delayMs);
  checkCallOptions(options);
  const { signal, deadline } = options;
  signal?.throwIfAborted();
  const remainingMs = deadline?.remainingMs ?? Infinity;
  if (remainingMs <= 0) throw new TimeoutError('Sleep', 'deadline', 0);
  const sleeper = new Sleeper(signal);
  if (remainingMs < delayMs) {
    await sleeper.wait(remainingMs);
    throw new TimeoutError('Sleep', 'deadline', remainingMs);
  }
  await sleeper.wait(delayMs);
}

class Sleeper implements AbortListener {
  readonly #signal: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#timer = setTimeout(() => {
        if (this.#signal !== undefined) unlinkAbort(this.#signal, this);
        resolve();
      }, delayMs);
      if (this.#signal !== undefined) linkAbort(this.#signal, this);
    });
  }

  onAbort(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#reject?.(reason);
  }
}
