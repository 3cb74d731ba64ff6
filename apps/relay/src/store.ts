/**
 * The store as the rest of the relay sees it: asynchronous. Operations that are asked for together are committed together; each
 * resolves once it is on disk, and is seen by every later one. It stays open until everything that writes to it has ended.
 */
import { Batcher, type CallOptions, type Component, type ComponentHealth, type Stats } from '@holdfast/core';
import { bridge, type Bridge } from '@holdfast/node';
import { writes } from './store-calls.ts';
import type * as Sync from './store.sync.ts';
import type {
  Admission,
  Attempt,
  AttemptEnd,
  BacklogEntry,
  EventCounts,
  StoredEvent,
  StoreCall,
  StoreOperations,
} from './store.sync.ts';
import type { PostedEvent } from './event.ts';
import { describe } from './verdict.ts';

/** Why an attempt failed that was cut by the end of the relay. */
export const INTERRUPTED = 'interrupted: the relay ended during the attempt';

/** How long a store is down after a failure. Only traffic shows whether it is well again, and one that is down gets none. */
const DOWN_MS = 5_000;

/** An event that has ended. */
export interface SettledEvent {
  readonly id: string;
  readonly status: 'delivered' | 'failed';
  readonly lastError: string | undefined;
}

/** How a store is made. */
export interface StoreOptions {
  readonly directory: string;
  /** Whether other relays may use it at the same time. */
  readonly shared: boolean;
  /** How many requests an event may have. */
  readonly maxAttempts: number;
}

/** An event store in one directory. */
export class Store implements Component, AsyncDisposable {
  readonly name = 'store';
  readonly #bridge: Bridge<typeof Sync>;
  readonly #batcher: Batcher<StoreCall, unknown>;
  readonly #maxAttempts: number;
  #failure: { readonly error: unknown; readonly until: number } | undefined;
  #id = '';
  #lastOfBefore = 0;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor({ directory, shared, maxAttempts }: StoreOptions) {
    this.#maxAttempts = maxAttempts;
    this.#bridge = bridge<typeof Sync>(new URL('./store.sync.js', import.meta.url), {
      name: 'store',
      maxThreads: 1,
      overflow: 'wait',
      idleMs: Number.POSITIVE_INFINITY,
      setupData: { directory, shared },
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

  /** What tells this store from every other, once it is open. */
  get id(): string {
    return this.#id;
  }

  /** Stores an event as queued; resolves with what is stored already under its id, if anything. */
  insert(event: PostedEvent & Admission): Promise<StoredEvent | undefined> {
    return this.#do('insert', { ...event, at: Date.now() });
  }

  /** Forgets an event that was not admitted; false where somebody has begun to deliver it, or accepted a repeat. */
  remove({ id, admission }: Admission): Promise<boolean> {
    return this.#do('remove', { id, admission });
  }

  /** Keeps an event whose repeat was accepted; false where it was forgotten meanwhile. */
  keep({ id, admission }: Admission): Promise<boolean> {
    return this.#do('keep', { id, admission });
  }

  find(id: string, options?: CallOptions): Promise<StoredEvent | undefined> {
    return this.#do('find', id, options);
  }

  /** Those of the events that are settled. */
  async settled(ids: readonly string[]): Promise<readonly SettledEvent[]> {
    const events = await Promise.all(ids.map((id) => this.find(id)));
    return events.flatMap((event) => {
      if (event?.status !== 'delivered' && event?.status !== 'failed') return [];
      return [{ id: event.id, status: event.status, lastError: event.lastError ?? undefined }];
    });
  }

  /** Counts an attempt that is about to begin; `undefined` where the event needs none. */
  begin({ id, admission }: Admission, queueDelayMs: number): Promise<Attempt | undefined> {
    const limit = { maxAttempts: this.#maxAttempts, lastError: INTERRUPTED };
    return this.#do('begin', { id, admission, queueDelayMs, limit });
  }

  /** Ends an attempt; false where it no longer counts. */
  end(end: AttemptEnd): Promise<boolean> {
    return this.#do('end', end);
  }

  /** Writes the audit trail's entries for accepted events. */
  async audit(ids: readonly string[]): Promise<void> {
    const at = Date.now();
    await Promise.all(ids.map((id) => this.#do('audit', { id, at })));
  }

  counts(options: CallOptions): Promise<EventCounts> {
    return this.#do('counts', undefined, options);
  }

  /** Events that a start finds still to be delivered, in the order of acceptance, some at a time. */
  async *backlog(): AsyncGenerator<readonly BacklogEntry[]> {
    for (let after = 0; after < this.#lastOfBefore;) {
      const page = await this.#do('backlog', after);
      yield page.filter(({ position }) => position <= this.#lastOfBefore);
      after = page.at(-1)?.position ?? Number.POSITIVE_INFINITY;
    }
  }

  stats(): Stats {
    return this.#bridge.stats();
  }

  health(): ComponentHealth {
    if (this.#failure === undefined || performance.now() >= this.#failure.until) return { status: 'up' };
    return { status: 'down', detail: describe(this.#failure.error) };
  }

  /** Writes what is still to be written, and closes the file. */
  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #commit(calls: readonly StoreCall[]): Promise<readonly unknown[]> {
    try {
      const results = await this.#bridge.call.commit(calls);
      if (writes(calls)) this.#failure = undefined; // to read says nothing of a full disk
      return results;
    } catch (error) {
      this.#failure = { error, until: performance.now() + DOWN_MS };
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.#batcher[Symbol.asyncDispose]();
    await this.#bridge[Symbol.asyncDispose]();
  }

  async #open(): Promise<void> {
    const { store, last } = await this.#bridge.call.recover({ lastError: INTERRUPTED, at: Date.now() });
    this.#id = store;
    this.#lastOfBefore = last;
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
