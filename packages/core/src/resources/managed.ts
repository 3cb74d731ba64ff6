/**
 * A resource with its release: acquired once, released once, whatever happens in between. A caller who leaves while the resource is
 * still being acquired gets nothing, and what arrives too late is released. Release is shielded: nothing but its own time ends it.
 */
import { checkFunction, checkTimeoutMs } from '../options/checks.ts';
import { reportError } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { executionOf } from '../signal/execution.ts';
import {
  checkCallOptions,
  type Awaitable,
  type CallOptions,
  type Work,
  type WorkContext,
} from '../signal/work-context.ts';

/** Gives a resource back. Its signal aborts when `releaseTimeoutMs` has passed. */
export type Release<T> = (value: T, ctx: WorkContext) => Awaitable<unknown>;

/** How resources are acquired and released. `signal` and `deadline` end the acquiring, never the releasing. */
export interface AcquireOptions extends CallOptions {
  /** Longest time one release may take, in milliseconds. @default 5_000 */
  readonly releaseTimeoutMs?: number | undefined;
}

/** A resource that is released when it is disposed of. */
export interface Managed<T> extends AsyncDisposable {
  readonly value: T;
}

/** Checks the options; returns how long a release may take. */
export function checkAcquireOptions(options: AcquireOptions): number {
  checkCallOptions(options);
  const { releaseTimeoutMs = 5_000 } = options;
  return checkTimeoutMs('releaseTimeoutMs', releaseTimeoutMs);
}

/**
 * Acquires a resource for `await using`, or for a `finally` that disposes of it. Releasing is done once, however often it is
 * asked for, and takes at most `releaseTimeoutMs`.
 *
 * @example
 * await using connection = await managed(({ signal }) => pool.connect(signal), (client) => client.release());
 * await connection.value.query('select 1');
 *
 * @throws what `acquire` throws; the reason of `signal`; a TimeoutError of kind `deadline`.
 * @throws TypeError, RangeError (as rejections) on bad input.
 */
export async function managed<T>(
  acquire: Work<T>,
  release: Release<T>,
  options: AcquireOptions = {},
): Promise<Managed<T>> {
  const releaseTimeoutMs = checkAcquireOptions(options);
  const value = await acquireOnce(acquire, release, options, releaseTimeoutMs);
  return new ManagedResource(value, release, releaseTimeoutMs);
}

/** Acquires a resource for its caller; what arrives when the caller has left is released, and keeps the caller's slot until it is. */
export async function acquireOnce<T>(
  acquire: Work<T>,
  release: Release<T>,
  options: CallOptions & { readonly timeoutMs?: number | undefined },
  releaseTimeoutMs: number,
): Promise<T> {
  checkFunction('acquire', acquire);
  checkFunction('release', release);
  const execution = executionOf(options);
  const { signal, deadline, timeoutMs } = options;
  let acquiring: Promise<T> | undefined;
  let failed = false;
  const start = (ctx: WorkContext): Promise<T> => {
    acquiring = settle(acquire, ctx);
    acquiring.catch(() => (failed = true));
    return acquiring;
  };
  try {
    return await call(start, { signal, deadline, timeoutMs, execution, name: 'Acquiring' });
  } catch (error) {
    if (acquiring !== undefined && !failed) {
      const releasing = acquiring.then(
        (value) => releaseWithin(releaseTimeoutMs, (ctx) => release(value, ctx)).catch(reportError),
        () => {},
      );
      execution?.abandon(releasing);
    }
    throw error;
  }
}

/** Runs a release under a signal of its own. */
export function releaseWithin(timeoutMs: number, release: Work<unknown>): Promise<unknown> {
  return call(release, { timeoutMs, name: 'Releasing' });
}

async function settle<T>(work: Work<T>, ctx: WorkContext): Promise<T> {
  return work(ctx);
}

class ManagedResource<T> implements Managed<T> {
  readonly value: T;
  readonly #release: Release<T>;
  readonly #timeoutMs: number;
  #released: Promise<void> | undefined;

  constructor(value: T, release: Release<T>, timeoutMs: number) {
    this.value = value;
    this.#release = release;
    this.#timeoutMs = timeoutMs;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#released ??= this.#dispose();
    return this.#released;
  }

  async #dispose(): Promise<void> {
    await releaseWithin(this.#timeoutMs, (ctx) => this.#release(this.value, ctx));
  }
}
