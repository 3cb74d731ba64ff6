/**
 * Callers who want the same at the same time share one call, and its value or error. Each of them may leave by himself; the call
 * goes on for the others, and is aborted when nobody waits for it any more. It keeps nothing: it is no cache.
 */
import type { Component, DrainOptions, DrainReport, Stats } from '../component.ts';
import {
  checkFunction,
  checkName,
  checkOptions,
  checkOptionalFunction,
  checkTimeoutMs,
} from '../options/checks.ts';
import { executionOf } from '../signal/execution.ts';
import { IdleLine } from '../signal/idle-line.ts';
import {
  checkCallOptions,
  type Awaitable,
  type CallOptions,
  type WorkContext,
} from '../signal/work-context.ts';
import { Flight, Passenger } from './flight.ts';

/** How a coalescer is made. */
export interface CoalescerOptions<K> {
  /** Names it in events, errors and statistics. @default 'coalescer' */
  readonly name?: string | undefined;
  /** What makes two keys the same. @default the key itself, as in a Map */
  readonly keyBy?: ((key: K) => unknown) | undefined;
  /** Longest time of one call, in milliseconds, however many share it. @default Infinity */
  readonly timeoutMs?: number | undefined;
}

/**
 * Makes one call of all that are made for one key while it runs.
 *
 * @example
 * const users = new Coalescer((id: string, { signal }) => loadUser(id, signal), { name: 'users' });
 * const user = await users.get('42', scope);
 */
export class Coalescer<K, V> implements Component, AsyncDisposable {
  readonly name: string;
  readonly #fn: (key: K, ctx: WorkContext) => Awaitable<V>;
  readonly #keyBy: (key: K) => unknown;
  readonly #timeoutMs: number;
  readonly #flights: Map<unknown, Flight<V>> = new Map<unknown, Flight<V>>();
  readonly #idle: IdleLine = new IdleLine(() => this.#running);
  #running = 0;
  #started = 0;
  #joined = 0;

  /** @throws TypeError, RangeError on bad options. */
  constructor(fn: (key: K, ctx: WorkContext) => Awaitable<V>, options: CoalescerOptions<K> = {}) {
    checkFunction('fn', fn);
    checkOptions('options', options, ['name', 'keyBy', 'timeoutMs']);
    checkOptionalFunction('keyBy', options.keyBy);
    this.name = checkName('name', options.name ?? 'coalescer');
    this.#fn = fn;
    this.#keyBy = options.keyBy ?? ((key): unknown => key);
    this.#timeoutMs = checkTimeoutMs('timeoutMs', options.timeoutMs ?? Infinity);
  }

  /** For how many keys a call is under way. */
  get size(): number {
    return this.#flights.size;
  }

  /**
   * The outcome of the call for `key`: of the one under way, or of a new one.
   *
   * @throws what the call throws; the signal's reason at once when it aborts, whatever the call does for others.
   * @throws TimeoutError of kind `deadline`, or `total` after `timeoutMs`.
   */
  get(key: K, options: CallOptions = {}): Promise<V> {
    return new Promise<V>((resolve, reject) => {
      checkCallOptions(options);
      const { signal, deadline } = options;
      signal?.throwIfAborted();
      if (deadline?.expired) throw deadline.toError(this.name, 0);
      const id = this.#keyBy(key);
      const known = this.#flights.get(id);
      const flight = known ?? new Flight<V>(this.name, executionOf(options), () => this.#forget(id, flight));
      flight.board(new Passenger(flight, options, resolve, reject));
      if (known === undefined) this.#start(id, key, flight);
      else this.#joined += 1;
    });
  }

  /** Waits until no call is under way, those that were given up included. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /** Aborts all calls; whoever waits for one gets the reason. */
  cancel(
    reason: unknown = new DOMException(`The calls of "${this.name}" were cancelled`, 'AbortError'),
  ): void {
    for (const flight of this.#flights.values()) flight.cancel(reason);
  }

  stats(): Stats {
    let waiting = 0;
    for (const flight of this.#flights.values()) waiting += flight.size;
    return {
      inFlight: this.#flights.size,
      running: this.#running,
      waiting,
      started: this.#started,
      joined: this.#joined,
    };
  }

  /** Waits until no call is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  #start(id: unknown, key: K, flight: Flight<V>): void {
    this.#flights.set(id, flight);
    this.#started += 1;
    this.#running += 1;
    const settled = (): void => {
      this.#running -= 1;
      this.#idle.settle();
    };
    flight.start((ctx) => this.#fn(key, ctx), this.#timeoutMs).then(settled, settled);
  }

  /** What comes for this key from now on is a new call. */
  #forget(id: unknown, flight: Flight<V>): void {
    if (this.#flights.get(id) === flight) this.#flights.delete(id);
  }
}
