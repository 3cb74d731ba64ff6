/**
 * The threads of a pool: those that start, those that have a call, those that rest. A thread stays on the roster until it has really
 * exited, so that there are never more than there may be.
 */
import { IdleThreads } from './idle-threads.ts';
import type { PoolCall } from './pool-call.ts';
import { PoolThread, type ThreadHost } from './pool-thread.ts';

/** What all threads of a pool are made of. */
export interface RosterOptions {
  readonly name: string;
  readonly url: string;
  readonly idleMs: number;
  readonly setupData: unknown;
}

/** Who is on it, and what they do. */
export class ThreadRoster {
  readonly #options: RosterOptions;
  readonly #threads: Map<number, PoolThread> = new Map<number, PoolThread>();
  readonly #booting: Set<PoolThread> = new Set<PoolThread>();
  readonly #idle: IdleThreads;

  constructor(options: RosterOptions) {
    this.#options = options;
    this.#idle = new IdleThreads(options.idleMs);
  }

  /** How many there are. */
  get size(): number {
    return this.#threads.size;
  }

  /** How many have not started yet. */
  get booting(): number {
    return this.#booting.size;
  }

  /** Those that have a call. */
  get busy(): readonly PoolThread[] {
    return [...this.#threads.values()].filter((thread) => thread.call !== undefined);
  }

  /** Calls that still run although their callers were told. */
  get abandoned(): readonly PoolCall[] {
    return this.busy.flatMap(({ call }) => (call === undefined || call.line !== undefined ? [] : [call]));
  }

  /** Starts a thread under the lowest number that is free. */
  start(host: ThreadHost): void {
    const { name, url, setupData } = this.#options;
    let number = 1;
    while (this.#threads.has(number)) number += 1;
    const thread = new PoolThread(host, number, { name: `${name}-${number}`, url, setupData });
    this.#threads.set(number, thread);
    this.#booting.add(thread);
  }

  /** A thread has started. */
  started(thread: PoolThread): void {
    this.#booting.delete(thread);
  }

  /** A thread has exited; says whether it had ever started. */
  gone(thread: PoolThread): boolean {
    this.#threads.delete(thread.number);
    this.#idle.remove(thread);
    return !this.#booting.delete(thread);
  }

  /** A thread has nothing to do. */
  rest(thread: PoolThread): void {
    this.#idle.add(thread);
  }

  /** One that has nothing to do, if there is one. */
  take(): PoolThread | undefined {
    return this.#idle.take();
  }

  /** Ends all; each is gone when it says so. */
  end(): void {
    this.#idle.clear();
    for (const thread of this.#threads.values()) thread.end();
  }
}
