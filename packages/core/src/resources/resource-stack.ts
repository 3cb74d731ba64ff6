/**
 * Resources that are released together, the last acquired first, one after the other. Every release runs, whatever the ones before
 * it did: failures are chained as SuppressedErrors (`error` the newer, `suppressed` the older), and none is lost.
 */
import { suppressedError } from '../errors/suppressed-error.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkFunction, invalidType } from '../options/checks.ts';
import type { Awaitable, Work } from '../signal/work-context.ts';
import {
  acquireOnce,
  checkAcquireOptions,
  releaseWithin,
  type AcquireOptions,
  type Release,
} from './managed.ts';

interface Failure {
  readonly error: unknown;
}

/**
 * A stack of resources.
 *
 * @example
 * await ResourceStack.run(async (stack) => {
 *   const client = await stack.acquire(() => pool.connect(), (client) => client.release());
 *   stack.defer(() => metrics.flush());
 *   await work(client);
 * });
 */
export class ResourceStack implements AsyncDisposable {
  readonly #options: AcquireOptions;
  readonly #releaseTimeoutMs: number;
  readonly #releases: Work<unknown>[] = [];
  #disposed: Promise<void> | undefined;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: AcquireOptions = {}) {
    this.#releaseTimeoutMs = checkAcquireOptions(options);
    this.#options = options;
  }

  /**
   * Runs `body` with a new stack and releases everything when it has ended, either way.
   *
   * @throws what `body` throws, what releases throw, or a SuppressedError where both do.
   * @throws the reason of `signal`, or a TimeoutError, where that has come before the body was started.
   */
  static async run<T>(
    body: (stack: ResourceStack) => Awaitable<T>,
    options: AcquireOptions = {},
  ): Promise<T> {
    checkFunction('body', body);
    const stack = new ResourceStack(options);
    options.signal?.throwIfAborted();
    if (options.deadline?.expired) throw new TimeoutError('Acquiring', 'deadline', 0);
    let value: T;
    try {
      value = await body(stack);
    } catch (error) {
      await stack.#releaseAll({ error });
      throw error;
    }
    await stack.#releaseAll();
    return value;
  }

  /** Whether its resources are released, or being released. */
  get disposed(): boolean {
    return this.#disposed !== undefined;
  }

  /**
   * Acquires a resource, as `managed` does, and releases it with the stack.
   *
   * @throws what `managed` throws; a ReferenceError once the stack is disposed.
   */
  async acquire<T>(acquire: Work<T>, release: Release<T>): Promise<T> {
    this.#checkOpen();
    const value = await acquireOnce(acquire, release, this.#options, this.#releaseTimeoutMs);
    if (this.disposed) {
      await releaseWithin(this.#releaseTimeoutMs, (ctx) => release(value, ctx));
      this.#checkOpen();
    }
    this.#releases.push((ctx) => release(value, ctx));
    return value;
  }

  /**
   * Releases `resource` with the stack, by its own `Symbol.asyncDispose` or `Symbol.dispose`.
   *
   * @throws TypeError where it has neither; a ReferenceError once the stack is disposed.
   */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.#checkOpen();
    const dispose = disposerOf(resource);
    if (dispose === undefined) throw invalidType('resource', 'disposable', resource);
    this.#releases.push(dispose);
    return resource;
  }

  /**
   * Runs `cleanup` with the stack's releases.
   *
   * @throws a ReferenceError once the stack is disposed.
   */
  defer(cleanup: Work<unknown>): void {
    this.#checkOpen();
    checkFunction('cleanup', cleanup);
    this.#releases.push(cleanup);
  }

  /** Releases everything, once, however often it is called. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#releaseAll();
  }

  #releaseAll(failure?: Failure): Promise<void> {
    this.#disposed ??= this.#unwind(failure);
    return this.#disposed;
  }

  async #unwind(first: Failure | undefined): Promise<void> {
    let failure = first;
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await releaseWithin(this.#releaseTimeoutMs, release);
      } catch (error) {
        failure = {
          error: failure === undefined ? error : suppressedError(error, failure.error, 'A release failed'),
        };
      }
    }
    if (failure !== undefined) throw failure.error;
  }

  #checkOpen(): void {
    if (this.disposed) throw new ReferenceError('The resource stack is disposed');
  }
}

function disposerOf(resource: unknown): (() => Awaitable<unknown>) | undefined {
  if (typeof resource !== 'object' && typeof resource !== 'function') return undefined;
  if (resource === null) return undefined;
  const dispose: unknown =
    Reflect.get(resource, Symbol.asyncDispose) ?? Reflect.get(resource, Symbol.dispose);
  return typeof dispose === 'function' ? () => Reflect.apply(dispose, resource, []) : undefined;
}
