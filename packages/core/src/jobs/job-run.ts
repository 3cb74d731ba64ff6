/**
 * One start of one job: runs the handler once and settles the delivery once. The outcome is told only when the handler, and all
 * that it gave up, has ended, so that no job runs twice at once in one process. The one exception is a handler that ignores its
 * time-out for as long as a lease lasts: it is treated like one whose process died, and its slot stays taken.
 */
import { LeaseLostError, PayloadInvalidError } from '../errors/job-errors.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import type { Faults } from '../queue/faults.ts';
import { now, type RunInContext } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { createContext } from '../signal/work-context.ts';
import type { JobDelivery } from './engine.ts';
import { createJobContext, type JobContext, type JobHandler } from './job-context.ts';
import { maxRetriesOf, outcomeOf, type JobOutcome } from './outcome.ts';
import { settle, type Settled } from './settle.ts';

/** What all runs of one consumer share. */
export interface JobRunHost<T> {
  readonly queue: string;
  readonly faults: Faults;
  readonly handler: JobHandler<T>;
  readonly inContext: RunInContext;
  readonly timeoutMs: number;
  /** How long a handler may ignore its time-out before its job is taken as lost. */
  readonly graceMs: number;
  /** How long the engine may take to answer to an outcome. */
  readonly settleTimeoutMs: number;
  readonly deadline: Deadline | undefined;
  /** The record that `consume` was called under. */
  readonly execution: Execution | undefined;
  readonly owner: object | undefined;
  backoffMs(failures: number): number;
  started(queueDelayMs: number): void;
  /** The engine was told. */
  told(settled: Settled): void;
  /** The outcome is being told although the handler still runs. */
  leaked(): void;
  /** The outcome is told, and nothing of this start runs any more; `leaked` is whether it did for a while. */
  ended(run: JobRun<T>, leaked: boolean): void;
}

/** A delivery that is being worked on. */
export class JobRun<T> implements AbortListener {
  readonly #host: JobRunHost<T>;
  readonly #delivery: JobDelivery;
  readonly #abort: LazyAbort = new LazyAbort();
  #cut: 'cancelled' | 'timed-out' | 'lease-lost' | undefined;
  #result: { readonly failed: boolean; readonly error: unknown } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #startedAt = now();
  #settling = false;
  #told = false;
  #leaked = false;
  #quiet = false;

  constructor(host: JobRunHost<T>, delivery: JobDelivery) {
    this.#host = host;
    this.#delivery = delivery;
  }

  /** Id of the job. */
  get id(): string {
    return this.#delivery.job.id;
  }

  /** Starts the handler; never throws. */
  start(): void {
    const { job, attempt, signal } = this.#delivery;
    if (attempt > job.maxRetries + 1) {
      // the last start it was allowed ended without an outcome
      this.#end({ kind: 'dead', error: new LeaseLostError(this.#host.queue, job.id) });
    } else if (signal?.aborted) {
      this.#end({ kind: 'release', delayMs: undefined, error: signal.reason });
    } else {
      if (signal !== undefined) linkAbort(signal, this);
      this.#run();
    }
  }

  /** The lease was lost. */
  onAbort(reason: unknown): void {
    this.#cutShort('lease-lost', reason);
  }

  /** Aborts the handler; the job is given back when it has ended. */
  cancel(reason: unknown): void {
    this.#cutShort('cancelled', reason);
  }

  #run(): void {
    const { handler, inContext, timeoutMs, execution: parent, owner } = this.#host;
    let payload: T;
    try {
      // it was put in as T; a queue that others feed is as typed as they are
      payload = JSON.parse(this.#delivery.job.body) as T;
    } catch {
      this.#end({ kind: 'dead', error: new PayloadInvalidError('$', 'is not JSON') });
      return;
    }
    if (timeoutMs !== Infinity) this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
    const execution = new Execution(parent, owner);
    const ctx = this.#context(execution);
    this.#startedAt = now();
    let work: Promise<void>;
    try {
      work = Promise.resolve(inContext(() => handler(payload, ctx)));
    } catch (error) {
      work = Promise.reject(error);
    }
    work.then(
      () => this.#returned(execution, false, undefined),
      (error: unknown) => this.#returned(execution, true, error),
    );
  }

  #context(execution: Execution): JobContext {
    const { job, attempt, redelivered = attempt > 1 } = this.#delivery;
    const { queue, timeoutMs, deadline } = this.#host;
    const own = timeoutMs === Infinity ? undefined : Deadline.after(timeoutMs);
    // two clocks that differ must not make a delay negative; what was asked for is no delay of the queue's
    const queueDelayMs = Math.max(0, Date.now() - job.enqueuedAt - job.delayMs);
    if (attempt === 1) this.#host.started(queueDelayMs);
    if (observed()) emit('job.started', queue, { id: job.id, attempt, queueDelayMs });
    return createJobContext(createContext(this.#abort, earliest(deadline, own), execution), {
      id: job.id,
      attempt,
      maxRetries: maxRetriesOf(job.maxRetries),
      redelivered,
      headers: job.headers,
      enqueuedAt: new Date(job.enqueuedAt),
      queueDelayMs,
    });
  }

  #returned(execution: Execution, failed: boolean, error: unknown): void {
    this.#result = { failed, error };
    if (!this.#settling && execution.abandoned > 0) this.#waitAtMost();
    execution.whenSettled(() => this.#end(this.#outcome()));
  }

  #timeOut(): void {
    const { queue, timeoutMs } = this.#host;
    this.#cutShort(
      'timed-out',
      new TimeoutError(`Job "${this.id}" of queue "${queue}"`, 'attempt', timeoutMs),
    );
    this.#waitAtMost();
  }

  #waitAtMost(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#leaked = true;
      this.#host.leaked();
      this.#settle(this.#outcome());
    }, this.#host.graceMs);
  }

  #cutShort(how: 'cancelled' | 'timed-out' | 'lease-lost', reason: unknown): void {
    if (this.#cut !== undefined) return;
    this.#cut = how;
    this.#abort.abort(reason);
  }

  #outcome(): JobOutcome {
    const { job, attempt } = this.#delivery;
    if (this.#cut === 'lease-lost') return { kind: 'release', delayMs: undefined, error: this.#abort.reason };
    // a handler that returns after its abort may have stopped half-way because of it, unless it never looked at its signal
    const whole = this.#cut === undefined || !this.#abort.read;
    if (this.#result?.failed === false && whole) return { kind: 'ack' };
    if (this.#cut === 'cancelled') return { kind: 'release', delayMs: undefined, error: this.#abort.reason };
    const error = this.#cut === 'timed-out' ? this.#abort.reason : this.#result?.error;
    return outcomeOf(error, attempt, job.maxRetries, (failures) => this.#host.backoffMs(failures));
  }

  /** Nothing of this start runs any more. */
  #end(outcome: JobOutcome): void {
    this.#quiet = true;
    if (this.#told) this.#host.ended(this, this.#leaked);
    else this.#settle(outcome);
  }

  #settle(outcome: JobOutcome): void {
    if (this.#settling) return;
    this.#settling = true;
    clearTimeout(this.#timer);
    const { signal } = this.#delivery;
    if (signal !== undefined) unlinkAbort(signal, this);
    void this.#tell(outcome);
  }

  async #tell(outcome: JobOutcome): Promise<void> {
    const { queue, faults, settleTimeoutMs } = this.#host;
    const settled = await settle(this.#delivery, outcome, {
      queue,
      faults,
      timeoutMs: settleTimeoutMs,
      durationMs: now() - this.#startedAt,
      leaseLost: this.#cut === 'lease-lost',
    });
    this.#told = true;
    this.#host.told(settled);
    if (this.#quiet) this.#host.ended(this, this.#leaked);
  }
}
