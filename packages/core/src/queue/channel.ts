/**
 * The machine inside a queue: a buffer, the line of those who wait to put, the line of those who wait to take. Whoever changes
 * one lets the next in line go at once, so nobody who comes later can overtake: takers wait only while the buffer holds too
 * little for the first of them, putters only while it is full. It runs no code of a user's but `onDrop`, and that last.
 */
import { QueueClosedError, QueueFullError } from '../errors/queue-errors.ts';
import { now, snapshotContext, type ContextSnapshot } from '../runtime.ts';
import { WaitLine, Waiter, type WaitOptions } from '../signal/wait-line.ts';
import { DelayHistogram } from './delay-histogram.ts';
import type { Drops } from './drops.ts';
import { Item } from './item.ts';
import { RingBuffer } from './ring-buffer.ts';

/** What happens to a put that finds no room: it waits, rejects, is dropped itself, or drops the oldest item. */
export type Overflow = 'wait' | 'reject' | 'drop-newest' | 'drop-oldest';

/** How a channel is made. */
export interface ChannelOptions<T> {
  readonly name: string;
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly maxQueueDelayMs: number;
  readonly lifoWhenDelayAboveMs: number;
  readonly drops: Drops<T>;
  /** Called when an item left; the buffer may be empty now. */
  readonly onLess: () => void;
  /** The error for those whose put is refused because the queue is closed. */
  readonly closedError: () => Error;
}

/** One that waits to take. */
export abstract class Taker<T> extends Waiter {
  /** How many items there must be for its turn to come. */
  abstract get wants(): number;

  /** Its turn: the first item. `inPut` says that the call comes from inside the put that brought it. */
  abstract serve(item: Item<T>, inPut: boolean): void;

  /** There will be no item any more. */
  abstract end(error: unknown): void;
}

class Putter<T> extends Waiter {
  readonly item: Item<T>;
  /** Whether it may still come in after a close: it was pulled by a loop of the queue's own. */
  readonly kept: boolean;
  readonly admitted: () => void;
  readonly giveUp: (error: unknown) => void;
  readonly #channel: Channel<T>;

  constructor(
    channel: Channel<T>,
    item: Item<T>,
    kept: boolean,
    admitted: () => void,
    refused: (error: unknown) => void,
  ) {
    super();
    this.#channel = channel;
    this.item = item;
    this.kept = kept;
    this.admitted = admitted;
    this.giveUp = refused;
  }

  late(): void {
    this.giveUp(new QueueFullError(this.#channel.name, this.#channel.capacity));
  }
}

/** Shared by all calls that need not wait. */
export const ADMITTED: Promise<void> = Promise.resolve();

/** Buffer and lines of one queue. */
export class Channel<T> {
  readonly name: string;
  readonly capacity: number;
  /** How many consume loops there are; puts remember their context only for them. */
  consumers = 0;
  readonly #overflow: Overflow;
  readonly #maxQueueDelayMs: number;
  readonly #lifoWhenDelayAboveMs: number;
  readonly #drops: Drops<T>;
  readonly #onLess: () => void;
  readonly #closedError: () => Error;
  readonly #items: RingBuffer<Item<T>> = new RingBuffer<Item<T>>();
  readonly #putters: WaitLine<Putter<T>> = new WaitLine<Putter<T>>();
  readonly #takers: WaitLine<Taker<T>> = new WaitLine<Taker<T>>();
  readonly #delays: DelayHistogram = new DelayHistogram();
  #closed = false;
  #failure: { readonly error: unknown } | undefined;
  #peak = 0;

  constructor(options: ChannelOptions<T>) {
    this.name = options.name;
    this.capacity = options.capacity;
    this.#overflow = options.overflow;
    this.#maxQueueDelayMs = options.maxQueueDelayMs;
    this.#lifoWhenDelayAboveMs = options.lifoWhenDelayAboveMs;
    this.#drops = options.drops;
    this.#onLess = options.onLess;
    this.#closedError = options.closedError;
  }

  get size(): number {
    return this.#items.size;
  }

  get peak(): number {
    return this.#peak;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  get delays(): DelayHistogram {
    return this.#delays;
  }

  get waitingPutters(): number {
    return this.#putters.size;
  }

  get waitingTakers(): number {
    return this.#takers.size;
  }

  get oldestAgeMs(): number {
    return this.#items.first?.ageMs(now()) ?? 0;
  }

  /** What a put is refused with: nothing while the channel is open. */
  get refusal(): { readonly error: unknown } | undefined {
    return this.#failure ?? (this.#closed ? { error: this.#closedError() } : undefined);
  }

  /** Closed with nothing left: what takers get then. */
  get ended(): { readonly error: unknown } | undefined {
    if (!this.#closed || this.#available > 0) return undefined;
    return this.#failure ?? { error: new QueueClosedError(this.name) };
  }

  /** Takes in one value if there is room or a taker for it. */
  offer(value: T): 'admitted' | 'dropped' | 'full' {
    const items = this.#items;
    const taker = this.#takers.first;
    if (taker !== undefined && items.size === 0 && taker.wants === 1) {
      const at = now();
      this.#takers.remove(taker);
      this.#delays.record(0, at);
      this.#drops.caughtUp();
      taker.serve(new Item(value, undefined, at), true);
      return 'admitted';
    }
    const at = now();
    const expired = items.size < this.capacity ? undefined : this.#expire(at);
    let outcome: 'admitted' | 'dropped' | 'full' = 'admitted';
    let oldest: Item<T> | undefined;
    if (items.size >= this.capacity) {
      if (this.#overflow === 'wait' || this.#overflow === 'reject') outcome = 'full';
      else if (this.#overflow === 'drop-newest' || items.size === 0) outcome = 'dropped';
      else oldest = items.shift();
    }
    if (outcome === 'admitted') {
      this.#push(new Item(value, this.#context(), at));
      if (this.#takers.size > 0) this.serve();
    }
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    if (outcome === 'dropped') this.#drops.report([value], 'overflow');
    if (oldest !== undefined) this.#drops.report([oldest.value], 'overflow');
    return outcome;
  }

  /** Resolves once the value is in or dropped. A `kept` one waits under every policy that would give it back. */
  put(value: T, options: WaitOptions, kept: boolean): Promise<void> {
    if (this.offer(value) !== 'full') return ADMITTED;
    const { maxWaitMs = Infinity } = options;
    if (maxWaitMs === 0 || (this.#overflow === 'reject' && !kept))
      return Promise.reject(new QueueFullError(this.name, this.capacity));
    return new Promise((resolve, reject) => {
      const item = new Item(value, this.#context(), 0);
      this.#putters.join(new Putter(this, item, kept, resolve, reject), options, maxWaitMs);
    });
  }

  /** Takes the next item, unless somebody waits for it already. */
  take(): Item<T> | undefined {
    if (this.#takers.size > 0) return undefined;
    const item = this.takeNext();
    if (this.#items.size === 0) this.#onLess();
    return item;
  }

  /** Takes the next item, whoever waits, for one that counts it as work of its own from here. */
  takeNext(): Item<T> | undefined {
    if (this.#available === 0) return undefined;
    const at = now();
    const expired = this.#expire(at);
    const item = this.#shift(at);
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    return item;
  }

  /** Takes up to `max` items if there are `wants`, or the queue is closed and there is one; not where somebody waits already. */
  takeBatch(max: number, wants: number): Item<T>[] | undefined {
    if (this.#takers.size > 0 || this.#available === 0) return undefined;
    const at = now();
    const expired = this.#expire(at);
    const enough = this.#available > 0 && (this.#available >= wants || this.#closed);
    const items = enough ? this.#shiftUpTo(max, [], at) : undefined;
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    if (this.#items.size === 0) this.#onLess();
    return items;
  }

  /** Takes up to `max` items, whoever waits. */
  takeUpTo(max: number, into: Item<T>[]): Item<T>[] {
    const at = now();
    const expired = this.#expire(at);
    this.#shiftUpTo(max, into, at);
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    this.#onLess();
    return into;
  }

  /** Waits for an item, or ends at once where there will be none. */
  join(taker: Taker<T>, options: WaitOptions): void {
    const { ended } = this;
    if (ended === undefined) this.#takers.join(taker, options, options.maxWaitMs ?? Infinity);
    else taker.end(ended.error);
  }

  /** Waits no more; false where its turn has come already. */
  leave(taker: Taker<T>): boolean {
    return this.#takers.remove(taker);
  }

  /** Gives their turn to all takers for whom there is enough. */
  serve(): void {
    const at = now();
    const expired = this.#expire(at);
    for (;;) {
      const taker = this.#takers.first;
      const available = this.#available;
      if (taker === undefined || available === 0 || (available < taker.wants && !this.#closed)) break;
      this.#takers.remove(taker);
      const item = this.#shift(at);
      if (item !== undefined) taker.serve(item, false);
    }
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    this.#onLess();
  }

  /** Lets nothing more in. What is inside can still be taken, and so can what the queue's own loops had pulled already. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#refuse((putter) => !putter.kept, this.#closedError());
    this.#finish();
  }

  /** Lets nothing more in; after what is inside, takers get `error`. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = { error };
    this.#refuse(() => true, error);
    this.#finish();
  }

  /** Ends everything now: who waits gets `reason`. Returns how many items were inside. */
  cancel(reason: unknown): number {
    this.#closed = true;
    this.#refuse(() => true, reason);
    const left = this.#clear().length;
    for (let taker = this.#takers.shift(); taker !== undefined; taker = this.#takers.shift())
      taker.end(reason);
    return left;
  }

  /** Hands back what is inside, and lets those in who wait for room. */
  discard(): readonly T[] {
    const values = this.#clear();
    const at = now();
    while (this.#putters.size > 0 && this.#items.size < this.capacity) this.#admitOne(at);
    this.serve();
    this.#finish();
    return values;
  }

  /** Only while there are handlers to run in it: remembering costs more than the put. */
  #context(): ContextSnapshot | undefined {
    return this.consumers > 0 ? snapshotContext() : undefined;
  }

  /** How many items takers could have, those included whose putters wait for room. */
  get #available(): number {
    return this.#items.size + this.#putters.size;
  }

  #shiftUpTo(max: number, into: Item<T>[], at: number): Item<T>[] {
    while (into.length < max) {
      const item = this.#shift(at);
      if (item === undefined) break;
      into.push(item);
    }
    return into;
  }

  #push(item: Item<T>): void {
    this.#items.push(item);
    if (this.#items.size > this.#peak) this.#peak = this.#items.size;
  }

  #shift(at: number): Item<T> | undefined {
    const items = this.#items;
    const { first } = items;
    if (first === undefined) {
      const putter = this.#putters.shift();
      if (putter === undefined) return undefined;
      putter.item.admit(at);
      putter.admitted();
      this.#delays.record(0, at);
      return putter.item;
    }
    // what has waited too long makes room for what can still be in time
    const item = (first.ageMs(at) > this.#lifoWhenDelayAboveMs ? items.pop() : items.shift()) ?? first;
    item.take(at);
    this.#delays.record(item.queueDelayMs, at);
    if (this.#putters.size > 0) this.#admitOne(at);
    else if (items.size === 0) this.#drops.caughtUp();
    return item;
  }

  #admitOne(at: number): void {
    const putter = this.#putters.shift();
    if (putter === undefined) return;
    putter.item.admit(at);
    this.#push(putter.item);
    putter.admitted();
  }

  /** Takes out what has waited too long; the caller reports it when it has done its own work. */
  #expire(at: number): T[] | undefined {
    if (this.#maxQueueDelayMs === Infinity) return undefined;
    const items = this.#items;
    let expired: T[] | undefined;
    for (
      let { first } = items;
      first !== undefined && first.ageMs(at) > this.#maxQueueDelayMs;
      { first } = items
    ) {
      items.shift();
      (expired ??= []).push(first.value);
      if (this.#putters.size > 0) this.#admitOne(at);
    }
    return expired;
  }

  #clear(): T[] {
    const values: T[] = [];
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift())
      values.push(item.value);
    return values;
  }

  #refuse(which: (putter: Putter<T>) => boolean, error: unknown): void {
    const kept: Putter<T>[] = [];
    for (let putter = this.#putters.shift(); putter !== undefined; putter = this.#putters.shift()) {
      if (which(putter)) putter.giveUp(error);
      else kept.push(putter);
    }
    for (const putter of kept) this.#putters.join(putter, {}, Infinity);
  }

  /** Takers who wait for more than there is get what there is; those for whom there is nothing end. */
  #finish(): void {
    if (!this.#closed) return;
    this.serve();
    const { ended } = this;
    if (ended === undefined) return;
    for (let taker = this.#takers.shift(); taker !== undefined; taker = this.#takers.shift())
      taker.end(ended.error);
  }
}
