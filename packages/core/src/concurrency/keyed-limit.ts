/**
 * One limit per key, for tenants, hosts or accounts. A limit in use is never dropped, so none of them is ever exceeded; of those
 * that nobody uses the least recently used go first. So memory is bounded by `maxKeys` and the calls in flight.
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
import { checkFunction, checkInteger, checkName, checkOptions, invalidType } from '../options/checks.ts';
import { IdleLine } from '../signal/idle-line.ts';
import type { WaitOptions } from '../signal/wait-line.ts';
import type { Work } from '../signal/work-context.ts';
import { Intake } from './intake.ts';
import { Semaphore } from './semaphore.ts';

/** How a keyed limit is made. */
export interface KeyedLimitOptions {
  /** Names it in events, errors and statistics. @default 'keyed-limit' */
  readonly name?: string | undefined;
  /** Makes the limit of a key: a semaphore, a bulkhead, an adaptive limit. Called again after the limit was dropped. */
  readonly create: (key: string) => Semaphore;
  /** How many limits that nobody uses are kept. @default 1000 */
  readonly maxKeys?: number | undefined;
}

/**
 * A limit for each key.
 *
 * @example
 * const tenants = new KeyedLimit({ create: (key) => new Bulkhead({ name: key, maxConcurrent: 4, maxQueue: 20 }) });
 * const report = await tenants.execute(tenantId, ({ signal }) => render(signal), ctx);
 */
export class KeyedLimit implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  readonly #create: (key: string) => Semaphore;
  readonly #maxKeys: number;
  readonly #intake: Intake;
  readonly #busy: Map<string, Semaphore> = new Map<string, Semaphore>();
  /** The least recently used first. */
  readonly #unused: Map<string, Semaphore> = new Map<string, Semaphore>();
  readonly #idle: IdleLine = new IdleLine(() => this.#left());

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: KeyedLimitOptions) {
    checkOptions('options', options, ['name', 'create', 'maxKeys']);
    const { name = 'keyed-limit', create, maxKeys = 1_000 } = options;
    this.name = checkName('name', name);
    checkFunction('create', create);
    this.#create = create;
    this.#maxKeys = checkInteger('maxKeys', maxKeys, 0, true);
    this.#intake = new Intake(name);
  }

  /** How many limits there are. */
  get size(): number {
    return this.#busy.size + this.#unused.size;
  }

  [ADOPT](door: Door): void {
    this.#intake.adopt(door);
  }

  /**
   * Runs `fn` under the limit of `key`.
   *
   * @throws what `fn`, `create` and the limit throw; QueueClosedError or ShuttingDownError once closed.
   */
  async execute<T>(key: string, fn: Work<T>, options?: WaitOptions): Promise<T> {
    return this.#use(key, options, (limit) => limit.execute(fn, options));
  }

  /** Waits for a permit of the limit of `key`. @throws what `execute` throws. */
  async acquire(key: string, options?: WaitOptions): Promise<Disposable> {
    return this.#use(key, options, (limit) => limit.acquire(options));
  }

  /** A permit of the limit of `key`, where one is free now. */
  tryAcquire(key: string): Disposable | undefined {
    if (this.#intake.refusal(undefined) !== undefined) return undefined;
    return this.#use(key, undefined, (limit) => limit.tryAcquire());
  }

  /** Takes on nobody new; those who have a slot or wait for one are served. */
  close(): void {
    this.#intake.close();
  }

  /** Waits until no slot of any key is taken and nobody waits. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /** Turns away all who wait, with `reason`. Who has a slot keeps it. */
  cancel(reason?: unknown): void {
    for (const limit of this.#busy.values()) limit.cancel(reason);
  }

  stats(): Stats {
    let inUse = 0;
    let waiting = 0;
    for (const limit of this.#busy.values()) {
      inUse += limit.inUse;
      waiting += limit.waiting;
    }
    return { keys: this.size, busyKeys: this.#busy.size, inUse, waiting };
  }

  /** Closes, and waits until all are served. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.drain();
  }

  #use<R>(key: string, options: WaitOptions | undefined, use: (limit: Semaphore) => R): R {
    if (typeof key !== 'string') throw invalidType('key', 'a string', key);
    const refusal = this.#intake.refusal(options);
    if (refusal !== undefined) throw refusal;
    const busy = this.#busy.get(key);
    if (busy !== undefined) return use(busy);
    const limit = this.#unused.get(key) ?? this.#make(key);
    this.#unused.delete(key);
    this.#busy.set(key, limit);
    try {
      return use(limit);
    } finally {
      this.#watch(key, limit);
    }
  }

  #make(key: string): Semaphore {
    const limit = this.#create(key);
    if (!(limit instanceof Semaphore)) throw invalidType('create()', 'a Semaphore', limit);
    return limit;
  }

  /** Puts the limit among the unused as soon as it is. */
  #watch(key: string, limit: Semaphore): void {
    const rest = (): void => {
      if (limit.inUse + limit.waiting > 0) return this.#watch(key, limit);
      this.#busy.delete(key);
      this.#unused.set(key, limit);
      this.#drop();
      this.#idle.settle();
    };
    void limit.drain().then(rest);
  }

  #drop(): void {
    for (const key of this.#unused.keys()) {
      if (this.#unused.size <= this.#maxKeys) return;
      this.#unused.delete(key);
    }
  }

  #left(): number {
    let left = 0;
    for (const limit of this.#busy.values()) left += limit.inUse + limit.waiting;
    return left;
  }
}
