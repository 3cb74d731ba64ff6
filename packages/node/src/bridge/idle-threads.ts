/** The threads of a pool with nothing to do. The one that rested last works next, so those that are not needed grow old and end. */
import type { PoolThread } from './pool-thread.ts';

/** Threads that rest, and the one timer that ends those that have rested for long. */
export class IdleThreads {
  readonly #maxIdleMs: number;
  /** The one that rests longest comes first. */
  #threads: PoolThread[] = [];
  #sweep: ReturnType<typeof setTimeout> | undefined;

  /** `maxIdleMs` is how long a thread may rest before it is ended. */
  constructor(maxIdleMs: number) {
    this.#maxIdleMs = maxIdleMs;
  }

  /** Puts a thread to rest. */
  add(thread: PoolThread): void {
    thread.rest();
    this.#threads.push(thread);
    this.#schedule(this.#maxIdleMs);
  }

  /** Wakes the one that has rested least. */
  take(): PoolThread | undefined {
    const thread = this.#threads.pop();
    thread?.wake();
    return thread;
  }

  /** Takes out a thread that is gone. */
  remove(thread: PoolThread): void {
    this.#threads = this.#threads.filter((other) => other !== thread);
  }

  /** Lets go of all, and looks after them no more. */
  clear(): void {
    clearTimeout(this.#sweep);
    this.#threads = [];
  }

  #schedule(delayMs: number): void {
    if (delayMs === Infinity) return;
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      this.#endOld();
    }, delayMs).unref();
  }

  #endOld(): void {
    const old = this.#threads.filter((thread) => thread.idleMs >= this.#maxIdleMs);
    this.#threads = this.#threads.filter((thread) => !old.includes(thread));
    for (const thread of old) thread.end();
    const [oldest] = this.#threads;
    if (oldest !== undefined) this.#schedule(Math.max(1, this.#maxIdleMs - oldest.idleMs));
  }
}
