/** Waiting for somebody else's run of a key: a run of this process ends the wait at once, that of another is looked for. */
import { sleep } from '@holdfast/core';

const FIRST_LOOK_MS = 25;
const MAX_LOOK_MS = 1_000;

/** Those who wait for keys in this process. */
export class KeyWaits {
  readonly #waiting: Map<string, Set<() => void>> = new Map<string, Set<() => void>>();

  /** Resolves when a run of `key` ended here, when it is time to look again, or after `maxMs`. */
  async wait(key: string, maxMs: number, tries: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const awake = new AbortController();
    const wake = (): void => awake.abort();
    const set = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, set.add(wake));
    const giveUp = (): void => awake.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    const lookMs =
      Math.min(FIRST_LOOK_MS * 2 ** Math.min(tries, 10), MAX_LOOK_MS) * (0.5 + Math.random() / 2);
    try {
      await sleep(Math.ceil(Math.min(lookMs, maxMs)), { signal: awake.signal });
    } catch {
      // awake early
    } finally {
      signal.removeEventListener('abort', giveUp);
      set.delete(wake);
      if (set.size === 0) this.#waiting.delete(key);
    }
    signal.throwIfAborted();
  }

  /** A run of `key` ended here. */
  wake(key: string): void {
    for (const wake of this.#waiting.get(key) ?? []) wake();
  }
}
