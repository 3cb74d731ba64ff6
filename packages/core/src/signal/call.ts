/**
 * The kernel under every guard: runs work once and settles exactly once, with the work's own outcome, the caller's abort reason
 * or a TimeoutError, whichever comes first. Work given up is aborted, registered as abandoned, and its late outcome is swallowed.
 * Where nothing can end the call early the work's own promise is handed through, and nothing else is made.
 */
import { TimeoutError, type TimeoutKind } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import { keepShape } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from './abort-links.ts';
import { Deadline, earliest } from './deadline.ts';
import { executionOf, type Execution } from './execution.ts';
import { LazyAbort } from './lazy-abort.ts';
import { PatientTimer } from './patient-timer.ts';
import { start } from './start.ts';
import { createContext, passContext, type CallOptions, type Work } from './work-context.ts';

/** How one call is bounded. */
export interface CallLimits extends CallOptions {
  /** Longest time the call may take, in milliseconds. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /** What running out of `timeoutMs` is called. @default 'total' */
  readonly kind?: TimeoutKind | undefined;
  /** Names the call in the message of a TimeoutError. */
  readonly name?: string | undefined;
  /** Whether a call that is over rejects at once, or only when its work has settled. @default 'at-once' */
  readonly settle?: 'at-once' | 'when-done' | undefined;
  /** The record the work runs under. @default the one these options carry */
  readonly execution?: Execution | undefined;
  /** What a time-out aborts the work through, for one who may abort it too and then waits for what it says. @default one of its own */
  readonly abort?: LazyAbort | undefined;
}

/** Runs `fn` under `limits`, which are taken as checked. Never throws: a synchronous throw of `fn` is a rejection. */
export function call<T>(fn: Work<T>, limits: CallLimits): Promise<T> {
  const { signal, deadline, timeoutMs = Infinity, execution = executionOf(limits) } = limits;
  if (signal?.aborted) return Promise.reject(signal.reason);
  if (deadline?.expired) return Promise.reject(new TimeoutError(limits.name ?? 'The call', 'deadline', 0));
  if (signal === undefined && deadline === undefined && timeoutMs === Infinity)
    return start(fn, createContext(undefined, undefined, execution));
  return new Promise<T>((resolve, reject) => {
    new Call<T>(limits, timeoutMs, execution, resolve, reject).run(fn);
  });
}

class Call<T> implements AbortListener {
  readonly #limits: CallLimits;
  readonly #timeoutMs: number;
  readonly #execution: Execution | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  #abort: LazyAbort | undefined;
  #timer: PatientTimer | undefined;
  #work: Promise<T> | undefined;
  #over = false;
  #reason: unknown;

  constructor(
    limits: CallLimits,
    timeoutMs: number,
    execution: Execution | undefined,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#limits = limits;
    this.#timeoutMs = timeoutMs;
    this.#execution = execution;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  run(fn: Work<T>): void {
    const { signal, deadline, name = 'The call', kind = 'total' } = this.#limits;
    const own = this.#timeoutMs === Infinity ? undefined : Deadline.after(this.#timeoutMs);
    const sooner = earliest(deadline, own);
    if (sooner !== undefined) {
      const limitMs = sooner === own ? this.#timeoutMs : sooner.remainingMs;
      this.#timer = new PatientTimer();
      this.#timer.until(sooner, () =>
        this.#end(new TimeoutError(name, sooner === own ? kind : 'deadline', limitMs)),
      );
      this.#abort = this.#limits.abort ?? new LazyAbort();
    }
    if (signal !== undefined) linkAbort(signal, this);

    const passed = this.#abort === undefined ? signal : undefined;
    const context =
      passed === undefined
        ? createContext(this.#abort, sooner, this.#execution)
        : passContext(passed, sooner, this.#execution);
    this.#work = start(fn, context);
    this.#work.then(
      (value) => this.#settle(this.#resolve, value),
      (error: unknown) => this.#settle(this.#reject, error),
    );
    if (this.#over) this.#giveUp();
  }

  onAbort(reason: unknown): void {
    this.#end(reason);
  }

  /** The caller left or time is over; the work may even be inside its synchronous part. */
  #end(reason: unknown): void {
    this.#release();
    this.#over = true;
    this.#reason = reason;
    this.#abort?.abort(reason);
    if (this.#work !== undefined) this.#giveUp();
  }

  #giveUp(): void {
    if (this.#limits.settle === 'when-done') return;
    if (this.#work !== undefined) this.#execution?.abandon(this.#work);
    if (observed()) emit('call.abandoned', this.#limits.name ?? 'call', { reason: this.#reason });
    this.#reject(this.#reason);
  }

  #settle<V>(outcome: (value: V) => void, value: V): void {
    if (this.#over) {
      if (this.#limits.settle === 'when-done') this.#reject(this.#reason);
      return;
    }
    this.#release();
    outcome(value);
  }

  #release(): void {
    this.#timer?.clear();
    if (this.#limits.signal !== undefined) unlinkAbort(this.#limits.signal, this);
  }
}

keepShape(
  new Call(
    {},
    Infinity,
    undefined,
    () => {},
    () => {},
  ),
);
