/**
 * Starts work, waits, starts it again, and settles exactly once. Whatever ends it early, the caller's abort or the deadline, ends
 * it at once, in whichever state it is, with that reason. Who brings the work stops what still runs.
 */
import { isRefusal } from '../errors/brand.ts';
import { emit } from '../events/bus.ts';
import { notify } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Timer } from '../signal/timer.ts';
import type { Awaitable, CallOptions } from '../signal/work-context.ts';
import { backoff, type Backoff } from './backoff.ts';
import { matches } from './error-filter.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { RetryOptions } from './retry-options.ts';

/** Why a retry ended without a success. */
export type GiveUpReason = 'predicate' | 'retries' | 'deadline' | 'budget' | 'aborted';

/** What an execution goes by; taken as checked. */
export interface AttemptOptions extends RetryOptions {
  readonly budget?: RetryBudget | undefined;
}

/** Work that may be started more than once. */
export interface Attempts<T> {
  /** Starts an attempt, counted from 1. */
  start(attempt: number): Awaitable<T>;
  /** The execution is over: nobody waits any more for what still runs. */
  stop(reason: unknown, why: GiveUpReason): void;
  /** The guard that would refuse an attempt made after that time. */
  blockedAfter?(delayMs: number): (Error & { readonly retryAfterMs: number | undefined }) | undefined;
  /** The error of the deadline, where it is not the caller's. */
  expiry?(): Error | undefined;
  /** Another attempt is to be made, after a delay: the outcome of the last one is of no more use. */
  scheduled?(): void;
}

/** Tells that a retry has ended without a success. */
export function reportGiveUp(
  { name = 'retry', maxRetries = 3 }: AttemptOptions,
  reason: GiveUpReason,
  attempts: number,
  error: unknown,
): void {
  if (maxRetries > 0) emit('retry.gave-up', name, { reason, attempts, error });
}

/**
 * Makes attempts until one is good, or there is no point in another. `first` is the error of a first attempt that was made
 * elsewhere.
 */
export function makeAttempts<T>(
  work: Attempts<T>,
  options: AttemptOptions,
  { signal, deadline }: CallOptions,
  first?: { readonly error: unknown },
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const { budget, name = 'retry', maxRetries = 3, maxRetryAfterMs = 30_000 } = options;
    const { retryIf, retryResultIf, retryAfterMs, onRetry } = options;
    const givenMs = deadline?.remainingMs ?? 0;
    const timer = new Timer();
    let attempt = 0;
    let over = false;
    /** Whether the budget was charged for an attempt that has not begun. */
    let charged = false;
    let delayOf: Backoff | undefined;
    let error: unknown;
    let lastError: unknown;

    const finish = (why: GiveUpReason | undefined): void => {
      over = true;
      timer.clear();
      if (signal) unlinkAbort(signal, listener);
      if (why) reportGiveUp(options, why, attempt, error);
    };
    const end = (why: GiveUpReason, reason: unknown): void => {
      error = reason;
      finish(why);
      reject(reason);
      if (charged) budget?.refund();
      work.stop(reason, why);
    };
    const listener: AbortListener = { onAbort: (reason) => end('aborted', reason) };
    const expire = (): void => end('deadline', work.expiry?.() ?? deadline?.toError(name, givenMs));

    /** Begins the wait for another attempt, or says why there is none. */
    const goOn = async (ok: boolean): Promise<GiveUpReason | undefined> => {
      if (isRefusal(error)) causedBy(error, lastError);
      else lastError = error;
      if (Object(error).retryable === false) return 'predicate';
      if (attempt > maxRetries) return 'retries';
      if (!ok && retryIf && !(await matches(retryIf, error))) return 'predicate';
      if (over) return undefined;
      delayOf ??= backoff(options);
      const backoffMs = delayOf(attempt);
      let hintMs = Number(retryAfterMs ? retryAfterMs(error) : Object(error).retryAfterMs) || 0;
      const blocked = work.blockedAfter?.(Math.max(backoffMs, hintMs));
      if (blocked) {
        causedBy(blocked, error);
        error = blocked;
        hintMs = blocked.retryAfterMs ?? 0;
      }
      const refused = isRefusal(error);
      if (refused && (hintMs <= 0 || !deadline)) return 'predicate';
      // all who were refused know the same moment, and only few may be the first
      const delayMs = refused ? backoffMs + hintMs : Math.max(backoffMs, hintMs);
      if (hintMs > maxRetryAfterMs || (deadline && delayMs >= deadline.remainingMs)) return 'deadline';
      if (budget?.spend() === false) return 'budget';
      charged = true;
      timer.set(delayMs, start);
      work.scheduled?.();
      const event = { attempt, maxRetries, delayMs, error };
      emit('retry.scheduled', name, event);
      if (onRetry) notify(onRetry, event);
      return undefined;
    };
    /** Settles with what an attempt gave, or goes on. */
    const judge = async (ok: boolean, value?: T): Promise<void> => {
      let why: GiveUpReason | undefined;
      try {
        if (over) return;
        if (!ok || (retryResultIf && (await retryResultIf(value)))) {
          why = await goOn(ok);
          if (!why) return;
        }
      } catch (thrown) {
        causedBy(thrown, error);
        error = thrown;
        ok = false;
        why = 'predicate';
      }
      if (over) return;
      finish(why);
      // there is a value where it is good
      if (ok) resolve(value as T);
      else reject(error);
    };
    const start = async (): Promise<void> => {
      // a timer of a busy process may ring late
      if (deadline?.expired) return expire();
      attempt += 1;
      charged = false;
      error = undefined;
      if (deadline) timer.set(deadline.remainingMs, expire);
      let value: T;
      try {
        value = await work.start(attempt);
      } catch (thrown) {
        error = thrown;
        return judge(false);
      }
      return judge(true, value);
    };
    if (signal) linkAbort(signal, listener);
    if (first) {
      attempt = 1;
      error = first.error;
      if (deadline) timer.set(deadline.remainingMs, expire);
      void judge(false);
    } else void start();
  });
}

function causedBy(error: unknown, cause: unknown): void {
  if (error instanceof Error && cause !== undefined) error.cause ??= cause;
}
