/** Keeps a module that cannot be loaded from being tried without end: after three failures in ten seconds it waits for ten. */
import { now } from '@holdfast/core/internal';

const MAX_FAILURES = 3;
const WINDOW_MS = 10_000;

/** Counts how often threads failed to start. */
export class BootGuard {
  #failures: readonly number[] = [];
  #error: unknown;

  /** A thread started. */
  succeeded(): void {
    this.#failures = [];
  }

  /** A thread did not start. */
  failed(error: unknown): void {
    this.#error = error;
    this.#failures = [...this.#recent(), now()].slice(-MAX_FAILURES);
  }

  /** Why no thread is started now; `undefined` where one may be. */
  get refusal(): { readonly error: unknown } | undefined {
    return this.#recent().length < MAX_FAILURES ? undefined : { error: this.#error };
  }

  #recent(): readonly number[] {
    const since = now() - WINDOW_MS;
    return this.#failures.filter((at) => at > since);
  }
}
