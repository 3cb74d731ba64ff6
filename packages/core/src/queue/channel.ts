/**
 * The machine inside a queue: a buffer, the line of those who wait to put, the line of those who wait to take. Whoever changes
 * one lets the next in line go at once, so nobody who comes later can overtake: takers wait only while the buffer holds too
 * little for the first of them, putters only while it is full. It runs no code of a user's but `onDrop`, and that last.
 */
import { QueueClosedError, QueueFullError } from '../errors/queue-errors.ts';
import { now, snapshotContext, type ContextSnapshot } from '../runtime.ts';
import { WaitLine, type WaitOptions } from '../signal/wait-line.ts';
import { Backlog } from './backlog.ts';
import type { Drops } from './drops.ts';
import { Item } from './item.ts';
import { Putter, PutterLine } from './putter.ts';
import type { Overflow, QueueSettings } from './queue-options.ts';
import type { Taker } from './taker.ts';

/** How a channel is made. */
export interface ChannelOptions<T> extends Omit<QueueSettings<T>, 'onDrop'> {
  readonly drops: Drops<T>;
  /** Called when an item left; the buffer may be empty now. */
  readonly onLess: () => void;
  /** The error for those whose put is refused because the queue is closed. */
  readonly closedError: () => Error;
}

/** Shared by all calls that need not wait. */
export const ADMITTED: Promise<void> = Promise.resolve();

type Offer = 'admitted' | 'dropped' | 'full';

/** Buffer and lines of one queue. */
export class Channel<T> {
  readonly name: string;
  readonly capacity: number;
  readonly backlog: Backlog<T>;
  /** How many consume loops there are; puts remember their context only for them. */
  consumers = 0;
  readonly #overflow: Overflow;
  readonly #drops: Drops<T>;
  readonly #onLess: () => void;
  readonly #closedError: () => Error;
  readonly #putters: PutterLine<T> = new PutterLine<T>();
  readonly #takers: WaitLine<Taker<T>> = new WaitLine<Taker<T>>();
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ChannelOptions<T>) {
    this.name = options.name;
    this.capacity = options.capacity;
    this.backlog = new Backlog<T>(options);
    this.#overflow = options.overflow;
    this.#drops = options.drops;
    this.#onLess = options.onLess;
    this.#closedError = options.closedError;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  get waitingPutters(): number {
    return this.#putters.size;
  }

  get waitingTakers(): number {
    return this.#takers.size;
  }

  /** What a put is refused with: nothing while the channel is open. */
  get refusal(): { readonly error: unknown } | undefined {
    return this.#failure ?? (this.#closed ? { error: this.#closedError() } : undefined);
  }

  /** Closed with nothing left. */
  get over(): boolean {
    return this.#closed && this.#available === 0;
  }

  /** What takers get when it is over. */
  get ended(): { readonly error: unknown } | undefined {
    return this.over ? (this.#failure ?? { error: new QueueClosedError(this.name) }) : undefined;
  }

  /** Takes in one value if there is room or a taker for it. */
  offer(value: T): Offer {
    const { backlog } = this;
    const taker = this.#takers.first;
    const at = now();
    if (taker?.wants === 1) {
      // it waits, so there is nothing inside that would come first
      this.#takers.remove(taker);
      backlog.delays.record(0, at);
      this.#drops.caughtUp();
      taker.serve(new Item(value, undefined, at), true);
      return 'admitted';
    }
    if (backlog.size >= this.capacity) return this.#offerWhenFull(value, at);
    backlog.push(new Item(value, this.#context(), at));
    if (this.#takers.size > 0) this.serve();
    return 'admitted';
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
    const item = this.#takers.size > 0 ? undefined : this.takeNext();
    if (this.backlog.size === 0) this.#onLess();
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
    const available = this.#available;
    const enough = available > 0 && (available >= wants || this.#closed);
    const items = enough ? this.collect([], max, at) : undefined;
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    if (this.backlog.size === 0) this.#onLess();
    return items;
  }

  /** Adds items to those that a taker has in its turn, until there are `max` or none left. */
  collect(items: Item<T>[], max: number, at: number): Item<T>[] {
    while (items.length < max) {
      const item = this.#shift(at);
      if (item === undefined) break;
      items.push(item);
    }
    return items;
  }

  /** What there is, for one whose time in the line is over; then the next have their turn. */
  takeNow(max: number): Item<T>[] {
    const at = now();
    const expired = this.#expire(at);
    const items = this.collect([], max, at);
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    this.serve();
    return items;
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
    this.#putters.refuse(this.#closedError(), true);
    this.#finish();
  }

  /** Lets nothing more in; after what is inside, takers get `error`. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = { error };
    this.#putters.refuse(error, false);
    this.#finish();
  }

  /** Ends everything now: who waits gets `reason`. Returns how many items were inside. */
  cancel(reason: unknown): number {
    this.#closed = true;
    this.#putters.refuse(reason, false);
    const left = this.backlog.clear().length;
    for (let taker = this.#takers.shift(); taker !== undefined; taker = this.#takers.shift())
      taker.end(reason);
    return left;
  }

  /** Hands back what is inside, and lets those in who wait for room. */
  discard(): readonly T[] {
    const values = this.backlog.clear();
    const at = now();
    while (this.#putters.size > 0 && this.backlog.size < this.capacity) this.#admitOne(at);
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
    return this.backlog.size + this.#putters.size;
  }

  #offerWhenFull(value: T, at: number): Offer {
    const { backlog } = this;
    const expired = this.#expire(at);
    let outcome: Offer = 'admitted';
    let oldest: Item<T> | undefined;
    if (backlog.size >= this.capacity) {
      if (this.#overflow === 'wait' || this.#overflow === 'reject') outcome = 'full';
      else if (this.#overflow === 'drop-newest' || backlog.size === 0) outcome = 'dropped';
      else oldest = backlog.drop();
    }
    if (outcome === 'admitted') backlog.push(new Item(value, this.#context(), at));
    if (expired !== undefined) this.#drops.report(expired, 'expired');
    if (outcome === 'dropped') this.#drops.report([value], 'overflow');
    if (oldest !== undefined) this.#drops.report([oldest.value], 'overflow');
    return outcome;
  }

  /** The next item, out of the backlog or, at capacity 0, straight from one who waits to put it. */
  #shift(at: number): Item<T> | undefined {
    const { backlog } = this;
    const item = backlog.take(at);
    if (item === undefined) return this.#meet(at);
    if (this.#putters.size > 0) this.#admitOne(at);
    else if (backlog.size === 0) this.#drops.caughtUp();
    return item;
  }

  #meet(at: number): Item<T> | undefined {
    const item = this.#putters.admit(at);
    if (item !== undefined) this.backlog.delays.record(0, at);
    return item;
  }

  #admitOne(at: number): void {
    const item = this.#putters.admit(at);
    if (item !== undefined) this.backlog.push(item);
  }

  /** Takes out what has waited too long; the caller reports it when it has done its own work. */
  #expire(at: number): T[] | undefined {
    let expired: T[] | undefined;
    for (let item = this.backlog.expire(at); item !== undefined; item = this.backlog.expire(at)) {
      (expired ??= []).push(item.value);
      if (this.#putters.size > 0) this.#admitOne(at);
    }
    return expired;
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
