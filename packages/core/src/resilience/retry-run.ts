/**
 * One execution of retried work: starts it, waits, starts it again, and settles exactly once. Whatever ends it early (the
 * caller's abort, the deadline, a total time-out) ends it at once, in whichever state it is, with that reason. A policy's run
 * derives from it and guards the attempts.
 */
import type { Refusal } from '../errors/holdfast-error.ts';
import { isRefusal } from '../errors/is-holdfast-error.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import { notify } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import type { Deadline } from '../signal/deadline.ts';
import type { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { SpareContext } from '../signal/spare-context.ts';
import {
  createContext,
  extendContext,
  passContext,
  type AttemptContext,
  type Awaitable,
  type Work,
} from '../signal/work-context.ts';
import type { Backoff } from './backoff.ts';
import type { RetryPlan } from './retry-plan.ts';

/** Why a retry ended without a success. */
export type GiveUpReason = 'predicate' | 'retries' | 'deadline' | 'budget' | 'aborted';

/** Where the outcome goes. Method syntax, so that it can be kept for any type. */
export interface Outcome<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** What a run is bounded by, and whom it belongs to. */
export interface RunOptions {
  readonly signal: AbortSignal | undefined;
  readonly deadline: Deadline | undefined;
  readonly execution: Execution | undefined;
  /** Whether work that was started may not be started again; what a guard refused may. */
  readonly once?: boolean | undefined;
}

/** What the first attempt is given where nothing can end it. */
export const firstAttempt: SpareContext<{ readonly attempt: number }> = /* @__PURE__ */ new SpareContext({
  attempt: 1,
});

/** One execution, from its first start to its outcome. */
export class RetryRun<T> implements AbortListener {
  protected readonly options: RunOptions;
  protected readonly plan: RetryPlan | undefined;
  /** Whether the outcome is known. */
  protected over = false;
  /** The record of the attempt that runs. */
  protected record: Execution | undefined;
  /** Aborts the attempt that runs, where this run can do so by itself. */
  protected abort: LazyAbort | undefined;
  /** What the attempt that runs has returned. */
  protected work: Promise<T> | undefined;
  /** Whether it waits for the next attempt. */
  protected sleeping = false;
  readonly #fn: Work<T, AttemptContext>;
  readonly #outcome: Outcome<T>;
  readonly #givenMs: number;
  #attempt = 0;
  #retries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #backoff: Backoff | undefined;
  #lastError: unknown;

  constructor(
    fn: Work<T, AttemptContext>,
    options: RunOptions,
    plan: RetryPlan | undefined,
    outcome: Outcome<T>,
  ) {
    this.#fn = fn;
    this.options = options;
    this.plan = plan;
    this.record = options.execution;
    this.#outcome = outcome;
    this.#givenMs = options.deadline?.remainingMs ?? Infinity;
  }

  /** Starts the first attempt. */
  begin(): void {
    if (this.options.signal !== undefined) linkAbort(this.options.signal, this);
    this.next();
  }

  /** Goes on after a first attempt that failed before this run was made. */
  resume(error: unknown): void {
    this.#attempt = 1;
    this.failed(error);
  }

  onAbort(reason: unknown): void {
    this.end(reason, 'aborted');
  }

  /** Starts an attempt, unless it is too late for one. */
  protected next(): void {
    const { deadline } = this.options;
    if (deadline?.expired) this.end(this.expiry(), 'deadline');
    else this.launch(deadline);
  }

  /** Calls the work, which may take until `deadline`. */
  protected launch(deadline: Deadline | undefined): void {
    this.#attempt += 1;
    const work = this.#call(this.#context(deadline));
    this.work = work;
    if (this.over) return this.drop();
    work.then(
      (value) => {
        if (this.work === work) this.succeeded(value);
      },
      (error: unknown) => {
        if (this.work === work) this.failed(error);
      },
    );
    if (deadline !== undefined) this.arm(deadline.remainingMs);
  }

  /** The attempt gave a value. */
  protected succeeded(value: T): void {
    this.work = undefined;
    const { plan } = this;
    const accept = (): void => this.resolve(value);
    if (plan?.retryResultIf === undefined) this.#finish(accept);
    else this.#consider(plan, plan.retryResultIf, value, undefined, accept);
  }

  /** The attempt failed, or none was let through. */
  protected failed(error: unknown): void {
    this.work = undefined;
    const { plan } = this;
    const reject = (): void => this.reject(error);
    if (plan === undefined) return this.#finish(reject);
    if (!isRefusal(error)) this.#lastError = error;
    else if (this.#lastError !== undefined) error.cause ??= this.#lastError;
    this.#consider(plan, plan.accepts, error, error, reject);
  }

  /** The time armed has passed: the wait is over, or the deadline is. */
  protected ring(): void {
    if (!this.sleeping) return this.end(this.expiry(), 'deadline');
    this.sleeping = false;
    this.next();
  }

  /** The error of a deadline that has passed. */
  protected expiry(): TimeoutError {
    return new TimeoutError(this.plan?.name ?? 'The call', 'deadline', this.#givenMs);
  }

  /** Calls `ring` after that time, in place of what was armed before. */
  protected arm(delayMs: number): void {
    clearTimeout(this.#timer);
    if (delayMs !== Infinity) this.#timer = setTimeout(() => this.ring(), delayMs);
  }

  /** The guard that would refuse an attempt made after that time. */
  protected blockedAfter(_delayMs: number): Refusal | undefined {
    return undefined;
  }

  /** Ends it now, in whichever state it is. */
  protected end(reason: unknown, why: GiveUpReason): void {
    if (this.over) return;
    if (this.sleeping) this.plan?.budget?.refund();
    this.abort?.abort(reason);
    this.drop();
    this.#giveUp(why, reason, () => this.reject(reason));
  }

  /** Gives up the work that runs: what it still does is of no interest. */
  protected drop(): void {
    const { work } = this;
    if (work === undefined) return;
    this.work = undefined;
    this.record?.abandon(work);
    if (observed()) emit('call.abandoned', this.plan?.name ?? 'call', { reason: this.abort?.reason });
  }

  #call(context: AttemptContext): Promise<T> {
    try {
      return Promise.resolve(this.#fn(context));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #context(deadline: Deadline | undefined): AttemptContext {
    const { signal } = this.options;
    const attempt = this.#attempt;
    this.abort = deadline === undefined ? undefined : new LazyAbort();
    if (this.abort === undefined) {
      if (signal !== undefined)
        return extendContext(passContext(signal, undefined, this.record), { attempt });
      if (attempt === 1 && this.record === undefined) return firstAttempt.get();
    }
    return extendContext(createContext(this.abort, deadline, this.record), { attempt });
  }

  /** Goes on where `ask` says so of the value or error. What `ask` throws is the outcome. */
  #consider<V>(
    plan: RetryPlan,
    ask: (subject: V) => Awaitable<boolean>,
    subject: V,
    error: unknown,
    settle: () => void,
  ): void {
    const decide = (again: boolean): void => {
      if (this.over) return;
      try {
        if (again) this.#goOn(plan, error, settle);
        else this.#giveUp('predicate', error, settle);
      } catch (thrown) {
        broken(thrown);
      }
    };
    const broken = (thrown: unknown): void => {
      if (this.over) return;
      if (thrown instanceof Error) thrown.cause ??= error;
      this.#giveUp('predicate', thrown, () => this.reject(thrown));
    };
    if (isFinal(error) || (this.options.once && !isRefusal(error)))
      return this.#giveUp('predicate', error, settle);
    if (this.#retries >= plan.maxRetries) return this.#giveUp('retries', error, settle);
    try {
      const again = ask(subject);
      if (typeof again === 'object') Promise.resolve(again).then(decide, broken);
      else decide(again);
    } catch (thrown) {
      broken(thrown);
    }
  }

  /** Waits for the next attempt, unless there can be none. */
  #goOn(plan: RetryPlan, error: unknown, settle: () => void): void {
    this.#backoff ??= plan.backoff();
    let hintMs = plan.hintMs(error);
    let delayMs = Math.max(this.#backoff(this.#retries + 1), hintMs);
    const blocked = this.blockedAfter(delayMs);
    if (blocked !== undefined) {
      hintMs = blocked.retryAfterMs ?? 0;
      delayMs = Math.max(delayMs, hintMs);
    }
    const remainingMs = this.options.deadline?.remainingMs ?? Infinity;
    const refusal = blocked ?? (isRefusal(error) ? error : undefined);
    let why: GiveUpReason | undefined;
    if (refusal !== undefined && (hintMs === 0 || remainingMs === Infinity)) why = 'predicate';
    else if (hintMs > plan.maxRetryAfterMs || delayMs >= remainingMs) why = 'deadline';
    else if (plan.budget?.spend() === false) why = 'budget';
    if (why !== undefined) {
      if (blocked === undefined) return this.#giveUp(why, error, settle);
      blocked.cause ??= error;
      return this.#giveUp(why, blocked, () => this.reject(blocked));
    }
    this.#retries += 1;
    const { name, maxRetries, onRetry } = plan;
    const event = { attempt: this.#attempt, maxRetries, delayMs, error };
    if (observed()) emit('retry.scheduled', name, event);
    if (onRetry !== undefined) notify(onRetry, event);
    // an observer may have aborted the call
    if (this.over) return;
    this.sleeping = true;
    this.arm(delayMs);
  }

  #giveUp(reason: GiveUpReason, error: unknown, settle: () => void): void {
    if (this.plan !== undefined && observed())
      emit('retry.gave-up', this.plan.name, { reason, attempts: this.#attempt, error });
    this.#finish(settle);
  }

  protected resolve(value: T): void {
    this.#outcome.resolve(value);
  }

  protected reject(error: unknown): void {
    this.#outcome.reject(error);
  }

  #finish(settle: () => void): void {
    this.over = true;
    clearTimeout(this.#timer);
    if (this.options.signal !== undefined) unlinkAbort(this.options.signal, this);
    settle();
  }
}

function isFinal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, 'retryable') === false;
}
