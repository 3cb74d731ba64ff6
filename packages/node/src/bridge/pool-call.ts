/**
 * One call on its way through a pool: it waits for a thread, then for its outcome, and its caller is told exactly once. What still
 * runs after that is over only when its thread says so.
 */
import { PayloadInvalidError, type WaitOptions } from '@holdfast/core';
import { Waiter, executionOf, now } from '@holdfast/core/internal';
import { findUncloneable, isCloneable } from './cloneable.ts';
import { unpackError } from './packed-error.ts';
import type { CallReply, PoolThread } from './pool-thread.ts';

/** How one call is bounded and sent. */
export interface PoolCallOptions extends WaitOptions {
  /** Longest time the call may take once a thread has begun it, in milliseconds. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /** Whether the call may be run once more where its thread dies under it. @default false */
  readonly idempotent?: boolean | undefined;
  /** Buffers among the arguments that move to the thread instead of being copied; they are of no use here afterwards. */
  readonly transfer?: readonly ArrayBuffer[] | undefined;
}

/** The pool, as its calls see it. */
export interface CallHost {
  /** Its caller left, or its deadline passed. */
  callGivenUp(call: PoolCall, reason: unknown): void;
  /** What it was given for what it is doing, in milliseconds, is over. */
  callLate(call: PoolCall, limitMs: number): void;
}

/** A call of one function of the module. */
export class PoolCall extends Waiter {
  /** Name of the function; `undefined` only makes sure that there is a thread. */
  readonly fn: string | undefined;
  readonly args: readonly unknown[];
  readonly options: PoolCallOptions;
  /** When it came, on the monotonic clock. */
  readonly enqueuedAt: number = now();
  /** When a thread first took it. */
  startedAt: number | undefined;
  /** The thread that has it. */
  thread: PoolThread | undefined;
  readonly #host: CallHost;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  #retried = false;
  #whenOver: (() => void) | undefined;

  constructor(
    host: CallHost,
    fn: string | undefined,
    args: readonly unknown[],
    options: PoolCallOptions,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    super();
    this.#host = host;
    this.fn = fn;
    this.args = args;
    this.options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** What remains of its time-out, in milliseconds; a second start does not get a new one. */
  get remainingMs(): number {
    const { timeoutMs = Infinity } = this.options;
    return this.startedAt === undefined ? timeoutMs : Math.max(0, timeoutMs - (now() - this.startedAt));
  }

  /** Whether it may run again; true at most once. */
  retry(): boolean {
    const may =
      this.options.idempotent === true && !this.#retried && (this.options.transfer?.length ?? 0) === 0;
    this.#retried = true;
    return may;
  }

  /** Tells its caller what the thread replied; says which of the two it is. */
  settle(reply: CallReply): 'completed' | 'failed' {
    if (reply.kind === 'value') {
      this.#resolve(reply.value);
      return 'completed';
    }
    if (reply.kind === 'error') this.#reject(unpackError(reply.error));
    else this.#reject(new PayloadInvalidError(reply.found.path, reply.found.why));
    return 'failed';
  }

  reject(error: unknown): void {
    this.#reject(error);
  }

  /** Its caller was told while it runs on: whatever holds a slot for it holds it until `over`. */
  abandon(): void {
    executionOf(this.options)?.abandon(new Promise<void>((resolve) => (this.#whenOver = resolve)));
  }

  /** It runs no more. */
  over(): void {
    this.#whenOver?.();
  }

  override giveUp(reason: unknown): void {
    this.#host.callGivenUp(this, reason);
  }

  override late(limitMs: number): void {
    this.#host.callLate(this, limitMs);
  }
}

/** Why a call could not be sent to its thread: an argument that cannot be copied, or a buffer that cannot move. */
export function whyUnsendable({ args }: PoolCall, error: unknown): PayloadInvalidError {
  if (isCloneable(args)) return new PayloadInvalidError('transfer', `was refused: ${String(error)}`);
  const { path, why } = findUncloneable(args, 'args');
  return new PayloadInvalidError(path, why);
}
