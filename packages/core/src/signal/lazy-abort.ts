/** An abort that makes its AbortController only when somebody reads the signal; read late, the signal is born aborted. */
import { keepShape } from '../runtime.ts';
import type { SignalSource } from './work-context.ts';

/** A controller that costs nothing until its signal is read. */
export class LazyAbort implements SignalSource {
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;

  /** Whether `abort` was called. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** What `abort` was called with. */
  get reason(): unknown {
    return this.#reason;
  }

  /** Whether anybody ever read the signal: if not, nobody can have acted on the abort. */
  get read(): boolean {
    return this.#controller !== undefined;
  }

  /** The signal, made now if nobody has read it before. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts with exactly this reason; only the first call counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

keepShape(new LazyAbort());
