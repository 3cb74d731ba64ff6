/**
 * The store as the rest of the relay sees it: asynchronous. Operations that are asked for together are committed together; each
 * resolves once it is on disk, and is seen by every later one. It stays open until everything that writes to it has ended.
 */
import { Batcher, type CallOptions, type Component, type ComponentHealth, type Stats } from '@holdfast/core';
import { bridge, type Bridge } from '@holdfast/node';
import type * as Sync from './store.sync.ts';
import type {
  Attempt,
  BacklogEntry,
  EventCounts,
  EventStatus,
  StoredEvent,
  StoreCall,
  StoreOperations,
} from './store.sync.ts';
import type { PostedEvent } from './event.ts';
import { describe } from './verdict.ts';

/** Why an attempt failed that was cut by the end of the relay. */
export const INTERRUPTED = 'interrupted: the relay ended during the attempt';

/** An event store in one directory. */
export class Store implements Component, AsyncDisposable {
  readonly name = 'store';
  readonly #bridge: Bridge<typeof Sync>;
  readonly #batcher: Batcher<StoreCall, unknown>;
  readonly #maxAttempts: number;
  #failure: unknown;
  #lastOfBefore = 0;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** `maxAttempts` is what an event of an earlier run may have had. */
  constructor(directory: string, maxAttempts: number) {
    this.#maxAttempts = maxAttempts;
    this.#bridge = bridge<typeof Sync>(new URL('./store.sync.js', import.meta.url), {
      name: 'store',
      maxThreads: 1,
      overflow: 'wait',
      idleMs: Number.POSITIVE_INFINITY,
      setupData: { directory },
    });
    this.#batcher = new Batcher((calls) => this.#commit(calls), {
      name: 'store',
      maxSize: 1_000,
      // requests and deliveries are bounded; the end of an attempt must never be refused
      maxQueue: Number.POSITIVE_INFINITY,
    });
  }

  /** Opens the file and cleans up after a dead process, once. */
  open(): Promise<void> {
    return (this.#opening ??= this.#open());
  }

  /** Stores an event as queued; resolves with what is stored already under its id, if anything. */
  insert(event: PostedEvent): Promise<StoredEvent | undefined> {
    return this.#do('insert', { ...event, at: Date.now() });
  }

  /** Forgets an event that was not admitted. */
  remove(id: string): Promise<void> {
    return this.#do('remove', id);
  }

  find(id: string, options?: CallOptions): Promise<StoredEvent | undefined> {
    return this.#do('find', id, options);
  }

  /** Counts an attempt that is about to begin; `undefined` where the event needs none. */
  begin(id: string, queueDelayMs: number): Promise<Attempt | undefined> {
    return this.#do('begin', { id, queueDelayMs });
  }

  /** Ends an attempt. */
  end(id: string, status: EventStatus, lastError?: string): Promise<void> {
    return this.#do('end', lastError === undefined ? { id, status } : { id, status, lastError });
  }

  /** Writes the audit trail's entries for accepted events. */
  async audit(ids: readonly string[]): Promise<void> {
    const at = Date.now();
    await Promise.all(ids.map((id) => this.#do('audit', { id, at })));
  }

  counts(options: CallOptions): Promise<EventCounts> {
    return this.#do('counts', undefined, options);
  }

  /** Events of earlier runs that are still to be delivered, in the order of acceptance. */
  async *backlog(): AsyncGenerator<BacklogEntry> {
    for (let after = 0; after < this.#lastOfBefore;) {
      const page = await this.#do('backlog', after);
      yield* page.filter(({ position }) => position <= this.#lastOfBefore);
      after = page.at(-1)?.position ?? Number.POSITIVE_INFINITY;
    }
  }

  stats(): Stats {
    return this.#bridge.stats();
  }

  health(): ComponentHealth {
    if (this.#failure === undefined) return { status: 'up' };
    return { status: 'down', detail: describe(this.#failure) };
  }

  /** Writes what is still to be written, and closes the file. */
  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #commit(calls: readonly StoreCall[]): Promise<readonly unknown[]> {
    try {
      const results = await this.#bridge.call.commit(calls);
      this.#failure = undefined;
      return results;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.#batcher[Symbol.asyncDispose]();
    await this.#bridge[Symbol.asyncDispose]();
  }

  async #open(): Promise<void> {
    this.#lastOfBefore = await this.#bridge.call.recover({
      maxAttempts: this.#maxAttempts,
      lastError: INTERRUPTED,
      at: Date.now(),
    });
  }

  #do<K extends keyof StoreOperations>(
    operation: K,
    argument: Parameters<StoreOperations[K]>[0],
    options?: CallOptions,
  ): Promise<ReturnType<StoreOperations[K]>> {
    // the pair is one of the calls and its result is that operation's, which the type of a batch cannot say
    return this.#batcher.submit([operation, argument] as StoreCall, options) as Promise<
      ReturnType<StoreOperations[K]>
    >;
  }
}
