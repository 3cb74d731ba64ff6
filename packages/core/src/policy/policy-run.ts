/**
 * One call through a policy: a retried call whose attempts pass the circuit, take a slot of the bulkhead and have a time of their
 * own. All of it is one state machine with one timer and one promise, so whatever ends it finds everything it has to give back.
 */
import type { Bulkhead } from '../concurrency/bulkhead.ts';
import { giveBack, type SlotOutcome } from '../concurrency/semaphore.ts';
import type { Refusal } from '../errors/holdfast-error.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import type { CallOutcome, Circuit } from '../resilience/circuit.ts';
import type { RetryPlan } from '../resilience/retry-plan.ts';
import { RetryRun, type GiveUpReason, type Outcome, type RunOptions } from '../resilience/retry-run.ts';
import { now } from '../runtime.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { EXECUTION, Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import type { AttemptContext, Work } from '../signal/work-context.ts';

/** What guards the calls of one policy. */
export interface Guards {
  readonly name: string;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly plan: RetryPlan | undefined;
  readonly circuit: Circuit | undefined;
  readonly bulkhead: Bulkhead | undefined;
}

/** What a policy counts. */
export interface PolicyCounts {
  inFlight: number;
  succeeded: number;
  failed: number;
  /** Calls whose caller left. */
  aborted: number;
  retries: number;
  /** Work that was given up and still runs. */
  leaked: number;
}

/** One call. */
export class PolicyRun<T> extends RetryRun<T> {
  readonly #guards: Guards;
  readonly #counts: PolicyCounts;
  /** Whether the deadline of the run is the policy's total time-out. */
  readonly #isTotal: boolean;
  #begun = false;
  /** Whether the circuit has let an attempt in whose outcome it does not know. */
  #owesOutcome = false;
  #epoch = 0;
  #startedAt = 0;
  #permit: Disposable | undefined;
  #launching = false;
  /** Whether the attempt's own time ends before the run's. */
  #attemptTimed = false;

  constructor(
    fn: Work<T, AttemptContext>,
    options: RunOptions,
    guards: Guards,
    counts: PolicyCounts,
    outcome: Outcome<T>,
  ) {
    const { signal, execution, once } = options;
    const total = guards.timeoutMs === Infinity ? undefined : Deadline.after(guards.timeoutMs);
    const deadline = earliest(options.deadline, total);
    super(fn, { signal, deadline, execution, once }, guards.plan, outcome);
    this.#guards = guards;
    this.#counts = counts;
    this.#isTotal = total !== undefined && deadline === total;
    counts.inFlight += 1;
  }

  protected override next(): void {
    const { circuit, bulkhead } = this.#guards;
    if (this.options.deadline?.expired) return this.end(this.expiry(), 'deadline');
    if (this.#begun) this.#counts.retries += 1;
    this.#begun = true;
    if (circuit !== undefined) {
      const refusal = circuit.admit();
      if (refusal !== undefined) return super.failed(refusal);
      this.#owesOutcome = true;
      this.#epoch = circuit.epoch;
    }
    if (bulkhead === undefined) return this.#start();
    this.#permit = bulkhead.tryAcquire();
    if (this.#permit === undefined) this.#wait(bulkhead);
    else this.#start();
  }

  protected override succeeded(value: T): void {
    this.#tell('success');
    this.#giveBack('success');
    super.succeeded(value);
  }

  protected override failed(error: unknown): void {
    if (this.#owesOutcome) {
      this.#owesOutcome = false;
      this.#guards.circuit?.fail(this.#epoch, error, this.#startedAt);
    }
    this.#giveBack({ error });
    super.failed(error);
  }

  protected override ring(): void {
    if (this.sleeping || !this.#attemptTimed) return super.ring();
    this.#attemptTimed = false;
    if (this.work === undefined) {
      // a predicate is being asked, and only the run's own time ends that
      this.arm(this.options.deadline?.remainingMs ?? Infinity);
      return;
    }
    const error = new TimeoutError(this.#guards.name, 'attempt', this.#guards.attemptTimeoutMs);
    this.abort?.abort(error);
    this.drop();
    this.#tell('failure');
    this.failed(error);
  }

  protected override end(reason: unknown, why: GiveUpReason): void {
    if (this.over) return;
    const timedOut = why === 'deadline' && this.#isTotal && this.work !== undefined;
    this.#tell(timedOut ? 'failure' : 'ignored');
    super.end(reason, why);
    if (why === 'aborted') {
      this.#counts.aborted += 1;
      this.#counts.failed -= 1;
    }
    // inside the synchronous part of the work it is not known yet what that leaves behind
    if (!this.#launching) this.#giveBack(timedOut ? { error: reason } : undefined);
  }

  protected override drop(): void {
    const { work } = this;
    super.drop();
    if (work === undefined) return;
    this.#counts.leaked += 1;
    const settled = (): void => {
      this.#counts.leaked -= 1;
    };
    work.then(settled, settled);
  }

  protected override expiry(): TimeoutError {
    return this.#isTotal
      ? new TimeoutError(this.#guards.name, 'total', this.#guards.timeoutMs)
      : super.expiry();
  }

  protected override blockedAfter(delayMs: number): Refusal | undefined {
    const { circuit } = this.#guards;
    return circuit?.refusesAfter(delayMs) ? circuit.refusal() : undefined;
  }

  protected override resolve(value: T): void {
    this.#counts.inFlight -= 1;
    this.#counts.succeeded += 1;
    super.resolve(value);
  }

  protected override reject(error: unknown): void {
    this.#counts.inFlight -= 1;
    this.#counts.failed += 1;
    super.reject(error);
  }

  #start(): void {
    const { circuit, bulkhead, attemptTimeoutMs } = this.#guards;
    if (bulkhead !== undefined) this.record = new Execution(this.options.execution);
    if (circuit?.timed) this.#startedAt = now();
    const own = attemptTimeoutMs === Infinity ? undefined : Deadline.after(attemptTimeoutMs);
    const deadline = earliest(this.options.deadline, own);
    this.#attemptTimed = own !== undefined && deadline === own;
    this.#launching = true;
    this.launch(deadline);
    this.#launching = false;
    if (this.over) this.#giveBack(undefined);
  }

  /** Waits for a slot. The signal ends the wait: the caller's own, or one that also ends with the run's time. */
  #wait(bulkhead: Bulkhead): void {
    const { signal, deadline, execution } = this.options;
    this.#attemptTimed = false;
    this.abort = deadline === undefined ? undefined : new LazyAbort();
    if (deadline !== undefined) this.arm(deadline.remainingMs);
    const options = { signal: this.abort?.signal ?? signal, [EXECUTION]: execution };
    bulkhead.acquire(options).then(
      (permit) => {
        if (this.over) return permit[Symbol.dispose]();
        this.#permit = permit;
        this.#start();
      },
      (error: unknown) => {
        if (!this.over) this.failed(error);
      },
    );
  }

  /** Brings the circuit the outcome of the attempt it let in. */
  #tell(outcome: CallOutcome): void {
    if (!this.#owesOutcome) return;
    this.#owesOutcome = false;
    this.#guards.circuit?.settle(this.#epoch, outcome, this.#startedAt);
  }

  #giveBack(outcome: SlotOutcome): void {
    const permit = this.#permit;
    this.#permit = undefined;
    if (permit !== undefined && this.record !== undefined) giveBack(permit, this.record, outcome);
  }
}
