/**
 * One call through a policy. Each attempt passes the circuit, takes a slot of the bulkhead and has a time of its own; whatever
 * ends it, its outcome goes to the circuit and its slot back to the bulkhead, once. Most calls succeed at once, so the first
 * attempt does without what only others need.
 */
import type { Bulkhead } from '../concurrency/bulkhead.ts';
import type { SlotOutcome } from '../concurrency/semaphore.ts';
import { isRefusal } from '../errors/brand.ts';
import type { CircuitOpenError } from '../errors/circuit-open-error.ts';
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import {
  makeAttempts,
  reportGiveUp,
  type AttemptOptions,
  type Attempts,
  type GiveUpReason,
} from '../resilience/attempts.ts';
import type { CallOutcome } from '../resilience/circuit.ts';
import { now } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { EXECUTION, Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { PatientTimer } from '../signal/patient-timer.ts';
import { spareContexts } from '../signal/spare-context.ts';
import { start } from '../signal/start.ts';
import { createContext, extendContext, passContext, type AttemptContext } from '../signal/work-context.ts';
import { giveBackOf, newAttempt, type Attempt, type PolicyCall, type Sink } from './policy-call.ts';

/** What is retried of work that may not be started twice. */
const ONLY_REFUSALS: AttemptOptions = { retryIf: isRefusal, retryResultIf: undefined };

const firstStart = /* @__PURE__ */ spareContexts({ attempt: 1 });

/** The run of one call. */
export class PolicyRun<T> implements Attempts<T>, AbortListener, Sink<T> {
  readonly #call: PolicyCall<T>;
  /** Who waits for the attempt that runs: this itself for the first one. */
  #sink: Sink<T> = this;
  #attempt: Attempt | undefined;
  #timer: PatientTimer | undefined;
  #starts = 0;
  #over = false;
  #timedOut = false;

  constructor(call: PolicyCall<T>) {
    this.#call = call;
  }

  /** Makes the first attempt. */
  begin(): void {
    const { guards, counts, signal, retrying } = this.#call;
    counts.inFlight += 1;
    guards.retry.budget?.deposit();
    if (guards.retry.retryResultIf !== undefined && !retrying?.once) return this.#makeAttempts(undefined);
    if (signal !== undefined) linkAbort(signal, this);
    this.#enter();
  }

  /** The caller leaves during the first attempt. */
  onAbort(reason: unknown): void {
    this.#end('aborted', reason);
  }

  /** The first attempt was good. */
  resolve(value: T): void {
    const { counts } = this.#call;
    this.#leave();
    counts.inFlight -= 1;
    counts.succeeded += 1;
    this.#call.resolve(value);
  }

  /** The first attempt failed. */
  reject(error: unknown): void {
    this.#leave();
    if (this.#call.guards.retry.maxRetries === 0) this.#fail(error, false);
    else this.#makeAttempts({ error });
  }

  start(attempt: number): Promise<T> {
    if (attempt > 1) this.#call.counts.retries += 1;
    return new Promise<T>((resolve, reject) => {
      this.#sink = { resolve, reject };
      this.#enter();
    });
  }

  stop(reason: unknown, why: GiveUpReason): void {
    const attempt = this.#attempt;
    this.#over = true;
    this.#timedOut ||= why === 'deadline';
    if (attempt === undefined) return;
    attempt.abort?.abort(reason);
    const timedOut = why === 'deadline' && this.#call.total && attempt.work !== undefined;
    this.#tell(attempt, timedOut ? 'failure' : 'ignored');
    this.#drop(attempt, reason, timedOut ? { error: reason } : undefined);
  }

  blockedAfter(delayMs: number): CircuitOpenError | undefined {
    const { circuit } = this.#call.guards;
    return circuit?.refusesAfter(delayMs) ? circuit.refusal() : undefined;
  }

  expiry(): TimeoutError | undefined {
    const { name, timeoutMs } = this.#call.guards;
    return this.#call.total ? new TimeoutError(name, 'total', timeoutMs) : undefined;
  }

  scheduled(): void {
    this.#call.retrying?.scheduled();
  }

  #makeAttempts(first: { readonly error: unknown } | undefined): void {
    const { guards, signal, retrying } = this.#call;
    const options = retrying?.once ? { ...guards.retry, ...ONLY_REFUSALS } : guards.retry;
    makeAttempts(this, options, this.#call, first).then(
      (value) => this.resolve(value),
      (error: unknown) => this.#fail(error, signal?.aborted === true && error === signal.reason),
    );
  }

  #fail(error: unknown, aborted: boolean): void {
    const { counts } = this.#call;
    counts.inFlight -= 1;
    if (aborted) counts.aborted += 1;
    else counts.failed += 1;
    if (this.#timedOut && !aborted) counts.timedOut += 1;
    this.#call.reject(error);
  }

  /** Ends the first attempt, whatever it is doing. */
  #end(why: 'aborted' | 'deadline', reason: unknown): void {
    if (this.#over) return;
    this.#leave();
    this.stop(reason, why);
    reportGiveUp(this.#call.guards.retry, why, this.#starts, reason);
    this.#fail(reason, why === 'aborted');
  }

  #leave(): void {
    this.#timer?.clear();
    if (this.#call.signal !== undefined) unlinkAbort(this.#call.signal, this);
  }

  /** Lets an attempt in, or refuses it. */
  #enter(): void {
    const { circuit, bulkhead } = this.#call.guards;
    const attempt = newAttempt(this.#call.execution);
    this.#attempt = attempt;
    if (circuit !== undefined) {
      const refusal = circuit.admit();
      if (refusal !== undefined) return this.#sink.reject(refusal);
      attempt.owesOutcome = true;
      attempt.epoch = circuit.epoch;
    }
    if (bulkhead === undefined) return this.#run(attempt);
    attempt.permit = bulkhead.tryAcquire();
    if (attempt.permit === undefined) this.#wait(attempt, bulkhead);
    else this.#run(attempt);
  }

  /** Waits for a slot. Its signal ends the wait: the caller's own, or one that also ends with the call's time. */
  #wait(attempt: Attempt, bulkhead: Bulkhead): void {
    const { signal, deadline, execution } = this.#call;
    attempt.abort = deadline === undefined ? undefined : new LazyAbort();
    this.#limit(attempt, deadline, undefined);
    const options = { signal: attempt.abort?.signal ?? signal, [EXECUTION]: execution };
    bulkhead.acquire(options).then(
      (permit) => this.#permitted(attempt, permit),
      (error: unknown) => {
        if (this.#over) return;
        this.#tell(attempt, 'ignored');
        this.#sink.reject(error);
      },
    );
  }

  #permitted(attempt: Attempt, permit: Disposable): void {
    if (this.#over) return permit[Symbol.dispose]();
    attempt.permit = permit;
    this.#run(attempt);
  }

  #run(attempt: Attempt): void {
    const { guards, deadline, execution, fn } = this.#call;
    const { circuit, bulkhead, attemptTimeoutMs } = guards;
    if (bulkhead !== undefined) attempt.record = new Execution(execution);
    if (circuit?.timed) attempt.startedAt = now();
    const own = attemptTimeoutMs === Infinity ? undefined : Deadline.after(attemptTimeoutMs);
    const sooner = earliest(deadline, own);
    attempt.abort = sooner === undefined ? undefined : new LazyAbort();
    const context = this.#context(attempt, sooner);
    // before the work sets timers of its own for the same moment
    this.#limit(attempt, sooner, own);
    attempt.starting = true;
    const work = start(fn, context);
    attempt.starting = false;
    attempt.work = work;
    if (this.#over) return this.#drop(attempt, attempt.abort?.reason, undefined);
    work.then(
      (value) => this.#succeeded(attempt, value),
      (error: unknown) => this.#failed(attempt, error, own),
    );
  }

  #succeeded(attempt: Attempt, value: T): void {
    if (!this.#settled(attempt)) return;
    this.#tell(attempt, 'success');
    giveBackOf(attempt, 'success');
    this.#sink.resolve(value);
  }

  #failed(attempt: Attempt, error: unknown, own: Deadline | undefined): void {
    if (!this.#settled(attempt)) return;
    const { deadline, total, guards } = this.#call;
    const late = isHoldfastError(error, 'TIMEOUT') && error.kind === 'deadline';
    if (late && deadline?.expired) {
      // what the work calls may notice before this timer does
      this.#timedOut = true;
      this.#tell(attempt, total ? 'failure' : 'ignored');
      giveBackOf(attempt, total ? { error } : undefined);
      return this.#sink.reject(this.expiry() ?? error);
    }
    if (attempt.owesOutcome) guards.circuit?.fail(attempt.epoch, error, attempt.startedAt);
    attempt.owesOutcome = false;
    giveBackOf(attempt, { error });
    this.#sink.reject(late && own?.expired ? this.#outOfTime() : error);
  }

  /** Whether it is news that the work of this attempt has settled. */
  #settled(attempt: Attempt): boolean {
    if (attempt.work === undefined) return false;
    attempt.work = undefined;
    this.#timer?.clear();
    return true;
  }

  /** Ends the attempt with its own time, and the first one also with the call's: the others have somebody who does that. */
  #limit(attempt: Attempt, deadline: Deadline | undefined, own: Deadline | undefined): void {
    if (deadline === undefined) return;
    const timer = (this.#timer ??= new PatientTimer());
    if (deadline === own) return timer.until(deadline, () => this.#timeOut(attempt));
    if (this.#sink !== this) return;
    const { total, guards } = this.#call;
    const givenMs = total ? guards.timeoutMs : deadline.remainingMs;
    timer.until(deadline, () =>
      this.#end('deadline', this.expiry() ?? deadline.toError(guards.name, givenMs)),
    );
  }

  #timeOut(attempt: Attempt): void {
    const error = this.#outOfTime();
    attempt.abort?.abort(error);
    this.#tell(attempt, 'failure');
    this.#drop(attempt, error, { error });
    this.#sink.reject(error);
  }

  #outOfTime(): TimeoutError {
    const { name, attemptTimeoutMs } = this.#call.guards;
    return new TimeoutError(name, 'attempt', attemptTimeoutMs);
  }

  /** Nobody waits any more for the work of this attempt. */
  #drop(attempt: Attempt, reason: unknown, outcome: SlotOutcome): void {
    const { work } = attempt;
    if (work !== undefined && this.#settled(attempt)) {
      const { counts, guards } = this.#call;
      const settled = (): void => {
        counts.leaked -= 1;
      };
      counts.leaked += 1;
      work.then(settled, settled);
      attempt.record?.abandon(work);
      if (observed()) emit('call.abandoned', guards.name, { reason });
    }
    // it is not known yet what the work leaves behind that is in its synchronous part
    if (!attempt.starting) giveBackOf(attempt, outcome);
  }

  /** Brings the circuit the outcome of the attempt it let in. */
  #tell(attempt: Attempt, outcome: CallOutcome): void {
    if (attempt.owesOutcome) this.#call.guards.circuit?.settle(attempt.epoch, outcome, attempt.startedAt);
    attempt.owesOutcome = false;
  }

  #context({ abort, record }: Attempt, deadline: Deadline | undefined): AttemptContext {
    const { signal } = this.#call;
    this.#starts += 1;
    const attempt = this.#starts;
    if (abort === undefined) {
      if (signal !== undefined) return extendContext(passContext(signal, undefined, record), { attempt });
      if (attempt === 1 && record === undefined) return firstStart();
    }
    return extendContext(createContext(abort, deadline, record), { attempt });
  }
}
