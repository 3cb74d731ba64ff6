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
  type Stats,
} from '../component.ts';
import { QueueClosedError } from '../errors/queue-errors.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import {
  checkDelayMs,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptionalFunction,
  checkOptions,
} from '../options/checks.ts';
import { IdleLine } from '../signal/idle-line.ts';
import { checkWaitOptions, type WaitOptions } from '../signal/wait-line.ts';
import { Channel, type Overflow } from './channel.ts';
import {
  Consumer,
  type ConsumeLoop,
  type ConsumeOptions,
  type ConsumerHost,
  type ItemHandler,
} from './consume.ts';
import { Drops, type DropListener } from './drops.ts';
import type { Envelope } from './item.ts';
import { Producer, type ProduceOptions, type ProducerHost } from './produce.ts';
import type { Loop, LoopFault, QueueLoop } from './queue-loop.ts';
import type { Source } from './source.ts';
import { BatchTaker, QueueIterator, SingleTaker, tookTooLong } from './takers.ts';

/** How a queue is made. */
export interface BoundedQueueOptions<T> {
  /** Names it in events, errors, statistics and health. @default 'queue' */
  readonly name?: string | undefined;
  /** How many items it holds at most: a whole number, or `Infinity`. With 0 every put waits for a take. */
  readonly capacity: number;
  /**
   * What happens to a put that finds the queue full. Dropping resolves it; `drop-oldest` at capacity 0 drops the newest.
   *
   * @default 'wait'
   */
  readonly overflow?: Overflow | undefined;
  /** An item that was in the queue for longer is dropped in place of being taken, in milliseconds. @default Infinity */
  readonly maxQueueDelayMs?: number | undefined;
  /** While the oldest item is older, in milliseconds, the newest is taken first, so that some are in time. @default Infinity */
  readonly lifoWhenDelayAboveMs?: number | undefined;
  /** Receives every dropped item. @default one console warning until the takers have caught up */
  readonly onDrop?: DropListener<T> | undefined;
}

/** What `takeBatch` accepts. With `maxWaitMs` it waits for `max` items, without it for the first. */
export interface TakeBatchOptions extends WaitOptions {
  /** How many items it takes at most. A batch larger than the queue is complete when the queue is full. */
  readonly max: number;
}

/** Figures of a queue. */
export interface QueueStats extends Stats {
  /** How many items are inside. */
  readonly depth: number;
  readonly capacity: number;
  /** The greatest depth there was. */
  readonly peak: number;
  /** Age of the oldest item, in milliseconds; 0 where there is none. */
  readonly oldestAgeMs: number;
  /** Median of the delay of items taken in the last one to two minutes; `undefined` where there were none. */
  readonly delayP50Ms: number | undefined;
  /** The delay that 99 of 100 of them did not exceed. */
  readonly delayP99Ms: number | undefined;
  readonly waitingPutters: number;
  readonly waitingTakers: number;
  /** How many items are in the hands of consumers. */
  readonly inFlight: number;
  /** How many were dropped since the queue was made, expired ones among them. */
  readonly dropped: number;
}

const OPTIONS = ['name', 'capacity', 'overflow', 'maxQueueDelayMs', 'lifoWhenDelayAboveMs', 'onDrop'];
const OVERFLOWS: readonly Overflow[] = ['wait', 'reject', 'drop-newest', 'drop-oldest'];
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
  readonly #loops: Set<Loop> = new Set<Loop>();
  readonly #idle: IdleLine = new IdleLine(
    () => this.#left(),
    (left) => this.#report(left),
  );
  readonly #host: ConsumerHost<T> & ProducerHost<T>;
  #door: Door | undefined;
  #fault: LoopFault | undefined;
  #cancelled = false;
  #lost = 0;

  constructor(options: BoundedQueueOptions<T>) {
    checkOptions('options', options, OPTIONS);
    const { name = 'queue', overflow = 'wait', onDrop } = options;
    const { maxQueueDelayMs = Infinity, lifoWhenDelayAboveMs = Infinity } = options;
    checkOptionalFunction('onDrop', onDrop);
    this.name = checkName('name', name);
    this.#drops = new Drops(this.name, onDrop);
    this.#channel = new Channel<T>({
      name: this.name,
      capacity: checkInteger('capacity', options.capacity, 0, true),
      overflow: checkOneOf('overflow', overflow, OVERFLOWS),
      maxQueueDelayMs: checkDelayMs('maxQueueDelayMs', maxQueueDelayMs, true),
      lifoWhenDelayAboveMs: checkDelayMs('lifoWhenDelayAboveMs', lifoWhenDelayAboveMs, true),
      drops: this.#drops,
      onLess: () => this.#idle.settle(),
      closedError: () => this.#door?.refusal(undefined) ?? new QueueClosedError(this.name),
    });
    this.#host = this.#makeHost();
  }

  /** How many items it holds at most. */
  get capacity(): number {
    return this.#channel.capacity;
  }

  /** How many items are inside. */
  get size(): number {
    return this.#channel.size;
  }

  /** Whether it accepts no more. */
  get closed(): boolean {
    return this.#channel.closed;
  }

  [ADOPT](door: Door): void {
    this.#door = door;
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
      const refusal = this.#door?.refusal(options);
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
    if (this.#channel.closed || this.#door?.refusal(undefined) !== undefined) return false;
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
      const max = options.max === Infinity ? Infinity : checkInteger('max', options.max, 1);
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
    this.#haltProducers();
  }

  /** Accepts no more. Puts that wait are rejected with `error`, and after what is inside, takes are too. */
  fail(error: unknown): void {
    this.#channel.fail(error);
    this.#haltProducers();
  }

  /** Hands back what is inside. On an open queue puts that wait come in then. */
  discard(): readonly T[] {
    return this.#channel.discard();
  }

  /** Waits until the queue is empty and no consumer has an item in hand. Closes nothing. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /**
   * Ends everything: aborts handlers, rejects waiting puts and takes with `reason`, and counts what was inside as left.
   */
  cancel(reason: unknown = new QueueClosedError(this.name)): void {
    this.#cancelled = true;
    const left = this.#channel.cancel(reason);
    this.#lost += left;
    for (const loop of this.#loops) loop.cancel(reason);
    if (observed()) emit('queue.cancelled', this.name, { left, reason });
    this.#idle.settle();
  }

  stats(): QueueStats {
    const channel = this.#channel;
    return {
      depth: channel.size,
      capacity: channel.capacity,
      peak: channel.peak,
      oldestAgeMs: channel.oldestAgeMs,
      delayP50Ms: channel.delays.quantileMs(0.5),
      delayP99Ms: channel.delays.quantileMs(0.99),
      waitingPutters: channel.waitingPutters,
      waitingTakers: channel.waitingTakers,
      inFlight: this.#inFlight,
      dropped: this.#drops.total,
    };
  }

  /** Down once it failed or a loop stopped by an error; degraded where a producer's iterator threw. A new loop mends it. */
  health(): ComponentHealth {
    if (this.#channel.failure !== undefined) return { status: 'down', detail: 'the queue failed' };
    if (this.#fault === undefined) return { status: 'up' };
    return { status: this.#fault.fatal ? 'down' : 'degraded', detail: 'a loop stopped by an error' };
  }

  /** Closes; waits for consumers to finish what is inside, and where there are none, cancels. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.#channel.consumers === 0) this.cancel();
    await this.drain();
  }

  #haltProducers(): void {
    const error = this.#channel.refusal?.error;
    for (const loop of this.#loops) if (loop instanceof Producer) loop.halt(error);
  }

  get #inFlight(): number {
    let count = 0;
    for (const loop of this.#loops) if (loop instanceof Consumer) count += loop.inFlight;
    return count;
  }

  #left(): number {
    let count = this.#channel.size;
    for (const loop of this.#loops) count += loop.unfinished;
    return count;
  }

  #report(unfinished: number): DrainReport {
    const left = unfinished + this.#lost;
    const leaked: string[] = [];
    if (this.#cancelled) for (const loop of this.#loops) if (loop.unfinished > 0) leaked.push(loop.name);
    return { drained: left === 0, left, leaked };
  }

  #makeHost(): ConsumerHost<T> & ProducerHost<T> {
    const door = (): Door | undefined => this.#door;
    const channel = this.#channel;
    return {
      name: this.name,
      channel,
      get closed() {
        return channel.refusal !== undefined;
      },
      put: (value) => {
        const { refusal } = channel;
        return refusal === undefined ? channel.put(value, NO_OPTIONS, true) : Promise.reject(refusal.error);
      },
      get door() {
        return door();
      },
      joined: (loop) => {
        this.#fault = undefined;
        this.#loops.add(loop);
        if (loop instanceof Consumer) channel.consumers += 1;
      },
      left: (loop, fault) => {
        this.#loops.delete(loop);
        if (loop instanceof Consumer) channel.consumers -= 1;
        this.#fault ??= fault;
      },
      settle: () => this.#idle.settle(),
      lost: () => {
        if (this.#cancelled) this.#lost += 1;
      },
    };
  }
}

/** Rejects a call whose options are bad, whose caller has left, or whose time is over. */
function checkCall(options: WaitOptions, doing: string, queue: string): void {
  checkWaitOptions(options);
  options.signal?.throwIfAborted();
  if (options.deadline?.expired) throw new TimeoutError(`${doing} queue "${queue}"`, 'deadline', 0);
}
