/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Turns single calls into bulk calls: what is submitted while a turn passes, or while a call runs, goes into the next one. Each
 * caller gets the outcome of its own item. One call runs at a time by default, so batches grow with the load. The trap: a bulk
 * call runs in the asynchronous context of whoever made the batcher, since no caller's is the right one.
 */
import {
  ADOPT,
  type Adoptable,
  type Component,
  type Door,
  type DrainOptions,
  type DrainReport,
  type Stats,
} from '../component.ts';
import { QueueClosedError, QueueFullError } from '../errors/queue-errors.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import {
  checkDelayMs,
  checkFunction,
  checkInteger,
  checkName,
  checkOptionalFunction,
  checkOptions,
  outOfRange,
} from '../options/checks.ts';
import { snapshotContext, yieldToLoop, type ContextSnapshot } from '../runtime.ts';
import { IdleLine } from '../signal/idle-line.ts';
import {
  checkCallOptions,
  createContext,
  type Awaitable,
  type CallOptions,
  type WorkContext,
} from '../signal/work-context.ts';
import { BulkCall, Entry, Submission } from './bulk-call.ts';

/** Does the work of many calls at once: one result for each item, in order; an Error among them is that item's failure. */
export type BulkWork<I, O> = (items: readonly I[], ctx: WorkContext) => Awaitable<readonly (O | Error)[]>;

/** How a batcher is made. */
export interface BatcherOptions<I> {
  /** Names it in events, errors and statistics. @default 'batcher' */
  readonly name?: string | undefined;
  /** How many items one call takes at most; `Infinity` is allowed. @default 100 */
  readonly maxSize?: number | undefined;
  /** How long the first item of a batch waits for others, in milliseconds; 0 is one turn of the event loop. @default 0 */
  readonly maxWaitMs?: number | undefined;
  /** How many items may wait at most; at least `maxSize`. @default 10 * maxSize */
  readonly maxQueue?: number | undefined;
  /** How many calls run at a time; `Infinity` is allowed. @default 1 */
  readonly concurrency?: number | undefined;
  /** Items with the same key that wait together are one item with one outcome: the first stands for all. @default none */
  readonly keyBy?: ((item: I) => unknown) | undefined;
}

const OPTIONS = ['name', 'maxSize', 'maxWaitMs', 'maxQueue', 'concurrency', 'keyBy'];

/**
 * Collects single calls into bulk calls.
 *
 * @example
 * const users = new Batcher(async (ids: readonly string[]) => rowsInOrder(ids, await db.users(ids)), { keyBy: (id) => id });
 * const user = await users.submit('42', scope);
 */
export class Batcher<I, O> implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  readonly #fn: BulkWork<I, O>;
  readonly #maxSize: number;
  readonly #maxWaitMs: number;
  readonly #maxQueue: number;
  readonly #concurrency: number;
  readonly #keyBy: ((item: I) => unknown) | undefined;
  readonly #context: ContextSnapshot = snapshotContext();
  readonly #waiting: Set<Entry<I, O>> = new Set<Entry<I, O>>();
  readonly #byKey: Map<unknown, Entry<I, O>> = new Map<unknown, Entry<I, O>>();
  readonly #calls: Set<BulkCall<I, O>> = new Set<BulkCall<I, O>>();
  readonly #idle: IdleLine = new IdleLine(() => this.#left());
  #door: Door | undefined;
  #closed = false;
  /** How many of those that wait need not wait for others. */
  #urgent = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turning = false;
  #totals: { calls: number; items: number } = { calls: 0, items: 0 };

  constructor(fn: BulkWork<I, O>, options: BatcherOptions<I> = {}) {
    checkFunction('fn', fn);
    checkOptions('options', options, OPTIONS);
    const { name = 'batcher', maxSize = 100, maxWaitMs = 0, concurrency = 1, keyBy } = options;
    checkOptionalFunction('keyBy', keyBy);
    this.name = checkName('name', name);
    this.#fn = fn;
    this.#maxSize = checkInteger('maxSize', maxSize, 1, true);
    this.#maxWaitMs = checkDelayMs('maxWaitMs', maxWaitMs);
    this.#concurrency = checkInteger('concurrency', concurrency, 1, true);
    this.#maxQueue = checkInteger('maxQueue', options.maxQueue ?? 10 * maxSize, 1, true);
    if (this.#maxQueue < maxSize)
      throw outOfRange('maxQueue', `at least maxSize (${maxSize})`, this.#maxQueue);
    this.#keyBy = keyBy;
  }

  [ADOPT](door: Door): void {
    this.#door = door;
  }

  /**
   * Resolves with the result of this item. A caller who leaves is let go at once; a call that nobody waits for is aborted.
   *
   * @throws what the bulk call failed with, or the Error that it returned for this item.
   * @throws QueueFullError when `maxQueue` items wait; TimeoutError of kind `deadline`.
   * @throws QueueClosedError once closed; ShuttingDownError when the owning service shuts down.
   */
  submit(item: I, options: CallOptions = {}): Promise<O> {
    return new Promise((resolve, reject) => {
      checkCallOptions(options);
      options.signal?.throwIfAborted();
      if (options.deadline?.expired) throw new TimeoutError(`Batcher "${this.name}"`, 'deadline', 0);
      const refusal = this.#door?.refusal(options);
      if (refusal !== undefined) throw refusal;
      if (this.#closed) throw new QueueClosedError(this.name);
      const entry = this.#entryFor(item);
      entry.line.join(new Submission<I, O>(entry, resolve, reject), options, Infinity);
      this.#next();
    });
  }

  /** Sends what waits without waiting for more; resolves when all that was submitted has its outcome. Never rejects. */
  async flush(): Promise<void> {
    const entries = [...this.#waiting, ...[...this.#calls].flatMap((call) => call.entries)];
    this.#hurry();
    await Promise.all(entries.map((entry) => entry.settled()));
  }

  /** Accepts no more; what waits is sent. */
  close(): void {
    this.#closed = true;
    this.#hurry();
  }

  /** Sends what waits, and resolves when nothing waits and no call runs. Closes nothing. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    this.#hurry();
    return this.#idle.drain(options);
  }

  /** Rejects all who wait with `reason` and aborts the calls that run. */
  cancel(reason: unknown = new DOMException(`Batcher "${this.name}" was cancelled`, 'AbortError')): void {
    const entries = [...this.#waiting];
    this.#waiting.clear();
    this.#byKey.clear();
    for (const entry of entries) entry.fail(reason);
    for (const call of this.#calls) {
      call.abort(reason);
      for (const entry of call.entries) entry.fail(reason);
    }
    this.#disarm();
    this.#idle.settle();
  }

  stats(): Stats {
    return {
      waiting: this.#waiting.size,
      maxQueue: this.#maxQueue,
      running: this.#calls.size,
      calls: this.#totals.calls,
      items: this.#totals.items,
    };
  }

  /** Closes, and waits for what was submitted. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.drain();
  }

  #entryFor(item: I): Entry<I, O> {
    const key = this.#keyBy?.(item);
    const known = this.#keyBy === undefined ? undefined : this.#byKey.get(key);
    if (known !== undefined) return known;
    if (this.#waiting.size >= this.#maxQueue) throw new QueueFullError(this.name, this.#maxQueue);
    const entry = new Entry<I, O>(item, key, (forsaken, reason) => this.#forsaken(forsaken, reason));
    this.#waiting.add(entry);
    if (this.#keyBy !== undefined) this.#byKey.set(key, entry);
    return entry;
  }

  /** Nobody waits for this item any more. */
  #forsaken(entry: Entry<I, O>, reason: unknown): void {
    if (entry.call !== undefined) {
      entry.call.forsaken(reason);
      return;
    }
    this.#remove(entry);
    if (this.#waiting.size === 0) this.#disarm();
    this.#idle.settle();
  }

  #remove(entry: Entry<I, O>): void {
    this.#waiting.delete(entry);
    if (this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key);
    this.#urgent = Math.min(this.#urgent, this.#waiting.size);
  }

  #left(): number {
    let left = this.#waiting.size;
    for (const call of this.#calls) left += call.entries.length;
    return left;
  }

  #hurry(): void {
    this.#urgent = this.#waiting.size;
    this.#next();
  }

  /** Starts calls for what has waited long enough or is enough; sees to it that the rest is not forgotten. */
  #next(): void {
    while (this.#calls.size < this.#concurrency && this.#waiting.size > 0) {
      if (this.#urgent === 0 && this.#waiting.size < this.#maxSize) break;
      this.#start();
    }
    if (this.#waiting.size > 0 && this.#urgent === 0) this.#arm();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#turning) return;
    if (this.#maxWaitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#hurry();
      }, this.#maxWaitMs);
      return;
    }
    this.#turning = true;
    void this.#afterTurn();
  }

  async #afterTurn(): Promise<void> {
    await yieldToLoop();
    this.#turning = false;
    this.#hurry();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#urgent = 0;
  }

  #start(): void {
    const entries: Entry<I, O>[] = [];
    for (const entry of this.#waiting) {
      if (entries.length >= this.#maxSize) break;
      entries.push(entry);
    }
    const urgent = Math.max(0, this.#urgent - entries.length);
    for (const entry of entries) this.#remove(entry);
    // those that remain have a wait of their own
    this.#disarm();
    this.#urgent = urgent;
    const call = new BulkCall<I, O>(entries, this.#door?.owner);
    this.#calls.add(call);
    this.#totals.calls += 1;
    this.#totals.items += entries.length;
    void this.#run(call);
  }

  async #run(call: BulkCall<I, O>): Promise<void> {
    try {
      const results = await this.#context.runInAsyncScope(
        this.#fn,
        undefined,
        call.entries.map((entry) => entry.item),
        createContext(call, undefined, call.execution),
      );
      call.succeed(results, this.name);
    } catch (error) {
      call.fail(error);
    }
    if (observed()) emit('batch.done', this.name, call.counts);
    // the call is over when nothing of it runs any more
    call.execution.whenSettled(() => {
      this.#calls.delete(call);
      this.#next();
      this.#idle.settle();
    });
  }
}
