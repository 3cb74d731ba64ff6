/**
 * Lends resources that are dear to make, first come, first served. The size is true: a resource counts from the start of `create` to
 * the end of `destroy`, and work that ignores its abort keeps what it was lent. The trap: what is not given back is gone from the pool.
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
import { giveBack } from '../concurrency/semaphore.ts';
import { emit, observed } from '../events/bus.ts';
import { checkFunction } from '../options/checks.ts';
import { reportError } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { EXECUTION, Execution, executionOf } from '../signal/execution.ts';
import { checkWaitOptions, type WaitOptions } from '../signal/wait-line.ts';
import {
  checkCallOptions,
  type Awaitable,
  type CallOptions,
  type WorkContext,
} from '../signal/work-context.ts';
import { IdleResources } from './idle-resources.ts';
import { PoolSlots } from './pool-slots.ts';
import { acquireOnce, releaseWithin, type Managed } from './managed.ts';
import { checkPoolOptions, type PoolSettings, type ResourcePoolOptions } from './pool-options.ts';

/** A resource on loan; dispose of it to give it back. */
export interface Lease<T> extends Managed<T> {
  /** Says that the resource is broken: it is ended when it is given back, and not lent again. */
  discard(): void;
}

type DestroyReason = 'idle' | 'unhealthy' | 'discarded' | 'closed';

/**
 * A pool of resources.
 *
 * @example
 * const browsers = new ResourcePool({ create: () => launch(), destroy: (browser) => browser.close(), maxSize: 4 });
 * const pdf = await browsers.execute((browser, { signal }) => render(browser, page, signal), ctx);
 */
export class ResourcePool<T> implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  readonly #settings: PoolSettings<T>;
  /** A slot is held by what is lent, being made or being ended; idle resources hold none. */
  readonly #slots: PoolSlots;
  readonly #idle: IdleResources<T>;
  readonly #retiring: Set<Promise<void>> = new Set<Promise<void>>();
  #size = 0;
  #closed = false;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: ResourcePoolOptions<T>) {
    this.#settings = checkPoolOptions(options);
    const { name, maxSize, minSize, maxQueue, maxWaitMs, idleMs } = this.#settings;
    this.name = name;
    this.#slots = new PoolSlots(name, maxSize, maxQueue, maxWaitMs);
    this.#idle = new IdleResources<T>(
      idleMs,
      () => this.#size - this.#retiring.size > minSize,
      (value) => this.#retire(value),
    );
  }

  /** How many resources there are, those being made or ended among them. */
  get size(): number {
    return this.#size;
  }

  /** How many lie idle. */
  get idle(): number {
    return this.#idle.size;
  }

  /** How many callers wait. */
  get waiting(): number {
    return this.#slots.waiting;
  }

  [ADOPT](door: Door): void {
    this.#slots[ADOPT](door);
  }

  /** Makes as many resources as have to be there. @throws what `create` throws; TimeoutError. */
  async open(options: CallOptions = {}): Promise<void> {
    checkCallOptions(options);
    const making: Promise<void>[] = [];
    for (let missing = this.#settings.minSize - this.#size; missing > 0; missing -= 1)
      making.push(this.#stock(options));
    const failed = (await Promise.allSettled(making)).find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /**
   * Lends a resource until the lease is disposed of.
   *
   * @throws PoolFullError when the line is full or `maxWaitMs` has passed; what `create` throws; the reason of `signal`; TimeoutError
   * when `create` or the deadline says so; QueueClosedError or ShuttingDownError once closed.
   */
  async acquire(options: WaitOptions = {}): Promise<Lease<T>> {
    checkWaitOptions(options);
    // what comes too late for its caller is given back, and is there for the next
    return acquireOnce(
      (ctx) => this.#lend(ctx, options),
      (lease) => lease[Symbol.asyncDispose](),
      options,
      Infinity,
    );
  }

  /** Lends a resource to `fn` for one call. @throws what `fn` throws, and what `acquire` throws. */
  async execute<R>(
    fn: (resource: T, ctx: WorkContext) => Awaitable<R>,
    options: WaitOptions = {},
  ): Promise<R> {
    checkFunction('fn', fn);
    const lease = await this.acquire(options);
    const { signal, deadline } = options;
    const execution = new Execution(executionOf(options));
    try {
      return await call((ctx) => fn(lease.value, ctx), { signal, deadline, execution });
    } finally {
      execution.whenSettled(() => void lease[Symbol.asyncDispose]());
    }
  }

  /** Lends nothing more; those who wait are served. */
  close(): void {
    this.#closed = true;
    this.#slots.close();
  }

  /** Waits until everything lent is back and nobody waits. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#slots.drain(options);
  }

  /** Turns away all who wait, with `reason`. What is lent stays lent. */
  cancel(reason?: unknown): void {
    this.#slots.cancel(reason);
  }

  stats(): Stats {
    const { inUse, waiting, maxConcurrent } = this.#slots;
    return {
      size: this.size,
      idle: this.#idle.size,
      inUse,
      waiting,
      maxSize: maxConcurrent,
      minSize: this.#settings.minSize,
    };
  }

  /** Closes, waits until everything is back, and ends it all. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.drain();
    const ending = this.#idle.clear().map((value) => this.#end(value, 'closed'));
    await Promise.all([...ending, ...this.#retiring]);
  }

  async #lend(ctx: WorkContext, options: WaitOptions): Promise<Lease<T>> {
    const permit = await this.#slots.acquire(options);
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (await this.#isHealthy(idle.value)) return this.#lease(idle.value, permit);
      await this.#end(idle.value, 'unhealthy');
    }
    const value = await this.#make(ctx, permit);
    return this.#lease(value, permit);
  }

  /** Makes a resource on the slot of `permit`, which is given back where that fails, as soon as nothing of it runs. */
  async #make({ signal, deadline }: CallOptions, permit: Disposable): Promise<T> {
    const execution = new Execution(undefined);
    const limits = { signal, deadline, timeoutMs: this.#settings.createTimeoutMs, [EXECUTION]: execution };
    try {
      return await acquireOnce(
        (ctx) => this.#count(ctx),
        (late) => this.#idle.push(late),
        limits,
        Infinity,
      );
    } catch (error) {
      if (observed()) emit('pool.create-failed', this.name, { error });
      giveBack(permit, execution, undefined);
      throw error;
    }
  }

  async #count(ctx: WorkContext): Promise<T> {
    this.#size += 1;
    try {
      return await this.#settings.create(ctx);
    } catch (error) {
      this.#size -= 1;
      throw error;
    }
  }

  /** Makes a resource for whoever comes. */
  async #stock(options: CallOptions): Promise<void> {
    const permit = this.#slots.tryAcquire();
    if (permit === undefined) return;
    this.#idle.push(await this.#make(options, permit));
    permit[Symbol.dispose]();
  }

  async #isHealthy(value: T): Promise<boolean> {
    const { check, checkTimeoutMs } = this.#settings;
    if (check === undefined) return true;
    try {
      return await call((ctx) => check(value, ctx), { timeoutMs: checkTimeoutMs, name: 'Checking' });
    } catch {
      return false;
    }
  }

  #lease(value: T, permit: Disposable): Lease<T> {
    let discarded = false;
    let back: Promise<void> | undefined;
    const giveIn = async (): Promise<void> => {
      const reason = discarded ? 'discarded' : 'closed';
      if (discarded || (this.#closed && this.#slots.waiting === 0)) await this.#end(value, reason);
      else this.#idle.push(value);
      permit[Symbol.dispose]();
    };
    return {
      value,
      discard: () => {
        discarded = true;
      },
      [Symbol.asyncDispose]: () => (back ??= giveIn()),
    };
  }

  /** Ends what has lain idle too long. It keeps a slot while it ends; there is one, since what is idle has none. */
  #retire(value: T): void {
    const permit = this.#slots.tryAcquire();
    const retiring = this.#end(value, 'idle').finally(() => {
      this.#retiring.delete(retiring);
      permit?.[Symbol.dispose]();
    });
    this.#retiring.add(retiring);
  }

  async #end(value: T, reason: DestroyReason): Promise<void> {
    try {
      await releaseWithin(this.#settings.releaseTimeoutMs, (ctx) => this.#settings.destroy(value, ctx));
      if (observed()) emit('pool.destroyed', this.name, { reason });
    } catch (error) {
      if (observed()) emit('pool.destroy-failed', this.name, { reason, error });
      else reportError(error);
    }
    this.#size -= 1;
  }
}
