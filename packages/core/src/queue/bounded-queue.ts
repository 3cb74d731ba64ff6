/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A queue in this process between those who put and those who take: bounded, first in, first out, with back-pressure. `size` never
 * exceeds `capacity`; what was admitted is delivered exactly once, dropped in sight, or counted as left. The trap: what it holds
 * dies with the process. What must survive that belongs into a JobQueue.
 */
import {
  ADOPT,
  type Adoptable,
  type Component,
  type ComponentHealth,
  type Door,
  type DrainOptions,
  type DrainReport,
} from '../component.ts';
import { QueueClosedError } from '../errors/queue-errors.ts';
import { emit, observed } from '../events/bus.ts';
import { checkInteger } from '../options/checks.ts';
import { keepShape } from '../runtime.ts';
import { IdleLine } from '../signal/idle-line.ts';
import type { WaitOptions } from '../signal/wait-line.ts';
import { Channel } from './channel.ts';
import { Consumer, type ConsumeLoop, type ConsumeOptions } from './consume.ts';
import { Drops } from './drops.ts';
import type { ItemHandler } from './handle-item.ts';
import type { Envelope } from './item.ts';
import type { Loops } from './loops.ts';
import { Producer, type ProduceOptions } from './produce.ts';
import { checkCall, type TakeBatchOptions } from './queue-calls.ts';
import { QueueHost } from './queue-host.ts';
import type { QueueLoop } from './queue-loop.ts';
import { checkQueueOptions, type BoundedQueueOptions } from './queue-options.ts';
import { queueStats, type QueueStats } from './queue-stats.ts';
import type { Source } from './source.ts';
import { BatchTaker, QueueIterator, SingleTaker, tookTooLong } from './takers.ts';

const NO_OPTIONS: WaitOptions = {};

/**
 * A bounded queue.
 *
 * @example
 * const queue = new BoundedQueue<string>({ name: 'mail', capacity: 100 });
 * queue.consume((address, { signal }) => sendMail(address, signal), { concurrency: 10 });
 * await queue.put('a@example.org', { ...scope, maxWaitMs: 250 });
 */
export class BoundedQueue<T> implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  readonly #channel: Channel<T>;
  readonly #drops: Drops<T>;
  readonly #host: QueueHost<T>;
  readonly #loops: Loops;
  readonly #idle: IdleLine = new IdleLine(
    () => this.#channel.backlog.size + this.#loops.unfinished,
    (unfinished) => this.#report(unfinished),
  );
  #disposed = false;

  constructor(options: BoundedQueueOptions<T>) {
    const settings = checkQueueOptions(options);
    this.name = settings.name;
    this.#drops = new Drops(settings.name, settings.onDrop);
    this.#channel = new Channel<T>({
      ...settings,
      drops: this.#drops,
      onLess: () => this.#settle(),
      closedError: () => this.#host.door?.refusal(undefined) ?? new QueueClosedError(this.name),
    });
    this.#host = new QueueHost(
      this.#channel,
      () => this.#settle(),
      () => this.#cancelIfForsaken(),
    );
    this.#loops = this.#host.loops;
  }

  /** How many items it holds at most. */
  get capacity(): number {
    return this.#channel.capacity;
  }

  /** How many items are inside. */
  get size(): number {
    return this.#channel.backlog.size;
  }

  /** Whether it accepts no more. */
  get closed(): boolean {
    return this.#channel.closed;
  }

  [ADOPT](door: Door): void {
    this.#host.door = door;
    for (const loop of this.#loops.of('producer')) loop.adopted();
  }

  /**
   * Resolves when the queue has admitted the value, or dropped it where `overflow` says so. A put that is aborted admits nothing.
   *
   * @throws QueueFullError after `maxWaitMs`, at once under `overflow: 'reject'`; TimeoutError of kind `deadline`.
   * @throws QueueClosedError once closed; ShuttingDownError when the owning service shuts down; what `fail` was given.
   */
  put(value: T, options: WaitOptions = NO_OPTIONS): Promise<void> {
    try {
      if (options !== NO_OPTIONS) checkCall(options, 'Putting into', this.name);
      const refusal = this.#host.door?.refusal(options);
      if (refusal !== undefined) throw refusal;
      const closed = this.#channel.refusal;
      if (closed !== undefined) throw closed.error;
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#channel.put(value, options, false);
  }

  /** Admits the value if there is room now; false where the queue is full or closed, or the value was dropped. */
  tryPut(value: T): boolean {
    if (this.#channel.closed || this.#host.door?.refusal(undefined) !== undefined) return false;
    return this.#channel.offer(value) === 'admitted';
  }

  /**
   * Takes the oldest item, or waits for one. A take that is aborted leaves it to the next.
   *
   * @throws TimeoutError of kind `wait` after `maxWaitMs`, of kind `deadline` when that passes first.
   * @throws QueueClosedError once the queue is closed and empty; what `fail` or `cancel` was given.
   */
  take(options: WaitOptions = NO_OPTIONS): Promise<Envelope<T>> {
    try {
      if (options !== NO_OPTIONS) checkCall(options, 'Taking from', this.name);
    } catch (error) {
      return Promise.reject(error);
    }
    const item = this.#channel.take();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const taker = new SingleTaker<T>(this.name, resolve, reject);
      if (options.maxWaitMs === 0 && this.#channel.ended === undefined) reject(tookTooLong(this.name, 0));
      else this.#channel.join(taker, options);
    });
  }

  /** The oldest item, where there is one that nobody waits for. */
  tryTake(): Envelope<T> | undefined {
    return this.#channel.take();
  }

  /**
   * Takes up to `max` items at once. With `maxWaitMs` it waits for so many, until the queue is closed or the time is over, and
   * then takes what there is, which may be nothing; without it, it takes what there is as soon as there is something.
   *
   * @throws TimeoutError of kind `deadline`; QueueClosedError once the queue is closed and empty; what `fail` was given.
   */
  takeBatch(options: TakeBatchOptions): Promise<readonly Envelope<T>[]> {
    const channel = this.#channel;
    try {
      checkCall(options, 'Taking from', this.name);
      const max = checkInteger('max', options.max, 1, true);
      const { maxWaitMs } = options;
      const wants = maxWaitMs === undefined ? 1 : Math.min(max, Math.max(1, channel.capacity));
      const items = channel.takeBatch(max, maxWaitMs === 0 ? 1 : wants);
      if (items !== undefined) return Promise.resolve(items);
      if (maxWaitMs === 0 && channel.ended === undefined) return Promise.resolve([]);
      return new Promise((resolve, reject) => {
        channel.join(new BatchTaker<T>(channel, max, wants, resolve, reject), options);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Takes item after item until the queue is closed and empty; throws what `fail` was given. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Envelope<T>> {
    return new QueueIterator(this.#channel);
  }

  /**
   * Runs `handler` for each item, in the asynchronous context of the put that brought it; items put while nobody consumed run in
   * the context of this call.
   *
   * @throws TypeError, RangeError on bad options.
   */
  consume(handler: ItemHandler<T>, options: ConsumeOptions<T> = {}): ConsumeLoop {
    return new Consumer(this.#host, handler, options);
  }

  /**
   * Puts the items of `source`: of something to iterate, or of a function that is asked again and again. It waits for room, also
   * under `overflow: 'reject'`. When the source ends the loop ends, not the queue; when the queue closes or the owning service
   * begins to shut down, the loop ends, and an item it holds still comes in.
   *
   * @throws TypeError, RangeError on bad options.
   */
  produce(source: Source<T>, options: ProduceOptions = {}): QueueLoop {
    return new Producer(this.#host, source, options);
  }

  /** Accepts no more. Puts that wait are rejected; what is inside is still delivered. */
  close(): void {
    this.#channel.close();
    this.#closed();
  }

  /** Accepts no more. Puts that wait are rejected with `error`, and after what is inside, takes are too. */
  fail(error: unknown): void {
    this.#channel.fail(error);
    this.#closed();
  }

  /** Hands back what is inside. On an open queue puts that wait come in then. */
  discard(): readonly T[] {
    return this.#channel.discard();
  }

  /** Waits until the queue is empty and no consumer has an item in hand. Closes nothing. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /** Ends everything: aborts handlers, rejects waiting puts and takes with `reason`, counts what was inside as left. */
  cancel(reason: unknown = new QueueClosedError(this.name)): void {
    if (this.#host.cancelled) return;
    this.#host.cancelled = true;
    const left = this.#channel.cancel(reason);
    this.#host.lostItems += left;
    this.#loops.cancel(reason);
    if (observed()) emit('queue.cancelled', this.name, { left, reason });
    this.#idle.settle();
  }

  stats(): QueueStats {
    return queueStats(this.#channel, this.#loops, this.#drops.total);
  }

  /** Down once it failed or a loop stopped by an error; degraded where a producer's iterator threw. A new loop mends it. */
  health(): ComponentHealth {
    if (this.#channel.failure !== undefined) return { status: 'down', detail: 'the queue failed' };
    return this.#loops.health();
  }

  /** Closes; waits for consumers to finish what is inside, and where there are none, cancels. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    this.#disposed = true;
    this.#cancelIfForsaken();
    await this.drain();
  }

  /** Once it is disposed of: where nobody is there who would take what is inside, nobody waits for that. */
  #cancelIfForsaken(): void {
    if (!this.#disposed || this.#channel.over || this.#loops.of('consumer').some(({ taking }) => taking))
      return;
    this.cancel();
  }

  /** It lets nothing more in. */
  #closed(): void {
    this.#loops.halt('producer', this.#channel.refusal?.error);
    this.#settle();
  }

  /** Something left the queue or the hands of a loop. */
  #settle(): void {
    this.#idle.settle();
    if (this.#channel.over) this.#loops.halt('consumer', undefined);
  }

  #report(unfinished: number): DrainReport {
    const left = unfinished + this.#host.lostItems;
    return { drained: left === 0, left, leaked: this.#host.cancelled ? this.#loops.busy : [] };
  }
}

const kept = new BoundedQueue({ capacity: 1 });
kept.tryPut(undefined);
kept.tryTake();
keepShape(kept);
