/**
 * Synchronous code off the event loop: the functions of a module become asynchronous ones that run on a bounded pool of threads.
 * Errors arrive as they were thrown, a caller can leave at any time, and nothing is left running when the bridge is disposed.
 * The trap: arguments and results are copied, so functions cannot be passed and a change on one side is not seen on the other.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  CallOptions,
  Component,
  ComponentHealth,
  DrainOptions,
  DrainReport,
  Stats,
  WorkContext,
} from '@holdfast/core';
import {
  ADOPT,
  checkBoolean,
  checkDelayMs,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimeoutMs,
  checkWaitOptions,
  invalidType,
  outOfRange,
  type Adoptable,
  type Door,
} from '@holdfast/core/internal';
import { findUncloneable, isCloneable } from './cloneable.ts';
import type { PoolCallOptions } from './pool-call.ts';
import { ThreadPool } from './thread-pool.ts';

/** How a pool of threads is made. */
export interface WorkerPoolOptions {
  /** Names the pool; its threads are called `name-1`, `name-2` … @default the module's file name */
  readonly name?: string | undefined;
  /** How many threads there may be. @default one less than the machine runs at once, at least 1 */
  readonly maxThreads?: number | undefined;
  /** How many calls may wait for a thread. @default 8 * maxThreads */
  readonly maxQueue?: number | undefined;
  /** What a call gets when `maxQueue` calls wait: a PoolFullError, or a place in a line without end. @default 'reject' */
  readonly overflow?: 'reject' | 'wait' | undefined;
  /** How long a thread with nothing to do is kept, in milliseconds. @default 30_000 */
  readonly idleMs?: number | undefined;
  /** Given to the module's `setup`; copied, like every argument. */
  readonly setupData?: unknown;
}

/** The functions of a module, asynchronous. `setup` is not among them: it is run by the pool. */
export type Bridged<M> = {
  readonly [
    K in keyof M as M[K] extends (...args: never) => unknown ? (K extends 'setup' ? never : K) : never
  ]: M[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** A module on a pool of threads. */
export interface Bridge<M> extends Component, AsyncDisposable {
  /**
   * The functions of the module. A call rejects with what the function threw, and with PoolFullError, ShuttingDownError,
   * WorkerCrashedError (the thread died under it) and PayloadInvalidError (an argument or result that cannot be copied).
   */
  readonly call: Bridged<M>;
  /**
   * The functions of the module, their calls bounded by `options`. A caller that leaves, by `signal`, `deadline` or `timeoutMs`,
   * is told at once; a call that runs by then is given a moment to end before its thread is stopped and replaced.
   *
   * @throws TypeError, RangeError on bad options.
   */
  with(options: PoolCallOptions): Bridged<M>;
  /** Starts one thread, so that a module that cannot be loaded shows at the start of the service. */
  open(ctx?: CallOptions): Promise<void>;
  /** Accepts no more calls; those that wait and run go on. */
  close(): void;
  /** Waits until no call waits and no thread is busy. */
  drain(options?: DrainOptions): Promise<DrainReport>;
  /** Rejects every call with `reason`; threads that are busy are stopped within a moment. @default reason an AbortError */
  cancel(reason?: unknown): void;
  stats(): Stats;
  health(): ComponentHealth;
  /** Closes, waits for what was accepted, lets the module clean up, and ends the threads. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Puts a module on a pool of threads. The module may export `setup(data, { thread })`: it is run once in each thread, before the
 * first call, and what it returns, if a function, before the thread ends.
 *
 * @example
 * const repository = bridge<typeof import('./repository.sync.js')>(new URL('./repository.sync.js', import.meta.url), {
 *   name: 'dynamodb',
 *   maxThreads: 20,
 * });
 * const item = await repository.with({ signal, timeoutMs: 500 }).getItem({ id: '123' });
 *
 * @throws TypeError, RangeError on bad options, and where there is no such file.
 */
export function bridge<M>(url: URL, options: WorkerPoolOptions = {}): Bridge<M> {
  checkOptions('options', options, ['name', 'maxThreads', 'maxQueue', 'overflow', 'idleMs', 'setupData']);
  const {
    maxThreads = Math.max(1, availableParallelism() - 1),
    overflow = 'reject',
    idleMs = 30_000,
    setupData,
  } = options;
  const module = locate(url);
  const { name = basename(module.pathname).replace(/\.\w+$/, '') } = options;
  checkInteger('maxThreads', maxThreads, 1);
  const { maxQueue = 8 * maxThreads } = options;
  if (!isCloneable(setupData)) {
    const { path, why } = findUncloneable(setupData, 'setupData');
    throw invalidType('setupData', `a value that can be copied to a thread (${path} ${why})`, setupData);
  }
  return new ModuleBridge<M>(
    new ThreadPool({
      name: checkName('name', name),
      url: module.href,
      maxThreads,
      maxQueue: checkInteger('maxQueue', maxQueue, 0, true),
      overflow: checkOneOf('overflow', overflow, ['reject', 'wait']),
      idleMs: checkDelayMs('idleMs', idleMs, true),
      setupData,
    }),
    name,
  );
}

/** The module's file. Where only its TypeScript source is there, as under a test runner, that is taken. */
function locate(url: URL): URL {
  if (!(url instanceof URL)) throw invalidType('url', 'a URL', url);
  if (url.protocol !== 'file:' || existsSync(url)) return url;
  const source = new URL(url.href.replace(/js$/, 'ts'));
  if (existsSync(source)) return source;
  throw outOfRange('url', 'the URL of a module that exists', fileURLToPath(url));
}

function checkPoolCallOptions(options: PoolCallOptions): void {
  checkWaitOptions(options);
  const { timeoutMs, idempotent, transfer } = options;
  if (timeoutMs !== undefined) checkTimeoutMs('timeoutMs', timeoutMs);
  if (idempotent !== undefined) checkBoolean('idempotent', idempotent);
  if (transfer !== undefined && !Array.isArray(transfer)) throw invalidType('transfer', 'an array', transfer);
}

/** Keys that are asked of any object and are no functions of the module: awaiting or printing `call` must start nothing. */
const NOT_CALLABLE: ReadonlySet<string | symbol> = new Set(['then', 'toJSON']);

class ModuleBridge<M> implements Bridge<M>, Adoptable {
  readonly name: string;
  readonly call: Bridged<M>;
  readonly #pool: ThreadPool;

  constructor(pool: ThreadPool, name: string) {
    this.#pool = pool;
    this.name = name;
    this.call = this.#functions({});
  }

  [ADOPT](door: Door): void {
    this.#pool.door = door;
  }

  with(options: PoolCallOptions): Bridged<M> {
    checkPoolCallOptions(options);
    return this.#functions(options);
  }

  async open(ctx: CallOptions | WorkContext = {}): Promise<void> {
    await this.#pool.submit(undefined, [], ctx);
  }

  close(): void {
    this.#pool.close();
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#pool.drain(options);
  }

  cancel(reason: unknown = new DOMException(`Pool "${this.name}" was cancelled`, 'AbortError')): void {
    this.#pool.cancel(reason);
  }

  stats(): Stats {
    return this.#pool.stats();
  }

  health(): ComponentHealth {
    return this.#pool.health();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool.end();
  }

  #functions(options: PoolCallOptions): Bridged<M> {
    const pool = this.#pool;
    const made = new Map<string, (...args: readonly unknown[]) => Promise<unknown>>();
    const functions = new Proxy(Object.create(null), {
      get(_target, key): unknown {
        if (typeof key === 'symbol' || NOT_CALLABLE.has(key)) return undefined;
        let fn = made.get(key);
        if (fn === undefined) {
          fn = (...args) => pool.submit(key, args, options);
          made.set(key, fn);
        }
        return fn;
      },
    });
    // the module's type says which names there are; a name that it does not have rejects when called
    return functions as Bridged<M>;
  }
}
