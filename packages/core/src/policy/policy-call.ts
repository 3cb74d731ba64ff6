/** What one call through a policy consists of: its guards, its caller, and the attempt that is being made. */
import type { Bulkhead } from '../concurrency/bulkhead.ts';
import { giveBack, type SlotOutcome } from '../concurrency/semaphore.ts';
import type { AttemptOptions } from '../resilience/attempts.ts';
import type { Circuit } from '../resilience/circuit.ts';
import type { Deadline } from '../signal/deadline.ts';
import type { Execution } from '../signal/execution.ts';
import type { LazyAbort } from '../signal/lazy-abort.ts';
import type { AttemptContext, Work } from '../signal/work-context.ts';

/** What guards the calls of a policy. */
export interface Guards {
  readonly name: string;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly circuit: Circuit | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly retry: AttemptOptions;
}

/** What a policy counts. */
export interface PolicyCounts {
  inFlight: number;
  succeeded: number;
  failed: number;
  /** Calls whose caller left. */
  aborted: number;
  /** Failed calls whose own or inherited time was over. */
  timedOut: number;
  retries: number;
  /** Work that was given up and still runs. */
  leaked: number;
}

/** What a call says to the retries of its policy. */
export interface Retrying {
  /** Whether work that was started may not be started again; what a guard refused may. */
  readonly once: boolean;
  /** Told when another attempt is to be made: the outcome of the last one is of no more use. */
  scheduled(): void;
}

/** Where an outcome goes. Method syntax, so that it can be kept for any type. */
export interface Sink<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** One call: its work, what it is bounded by, whom it belongs to, and who waits for it. */
export interface PolicyCall<T> extends Sink<T> {
  readonly fn: Work<T, AttemptContext>;
  readonly guards: Guards;
  readonly counts: PolicyCounts;
  readonly signal: AbortSignal | undefined;
  readonly deadline: Deadline | undefined;
  /** Whether the deadline is the policy's own total time-out. */
  readonly total: boolean;
  readonly execution: Execution | undefined;
  readonly retrying: Retrying | undefined;
}

/** One attempt, from its admission to its outcome. */
export interface Attempt {
  /** Whether the circuit has let it in and does not know its outcome. */
  owesOutcome: boolean;
  epoch: number;
  startedAt: number;
  permit: Disposable | undefined;
  record: Execution | undefined;
  abort: LazyAbort | undefined;
  /** Whether the work is in its synchronous part. */
  starting: boolean;
  work: Promise<unknown> | undefined;
}

/** An attempt that nothing has been done for yet, under that record. */
export function newAttempt(record: Execution | undefined): Attempt {
  return {
    owesOutcome: false,
    epoch: 0,
    startedAt: 0,
    permit: undefined,
    record,
    abort: undefined,
    starting: false,
    work: undefined,
  };
}

/** Gives the slot of an attempt back, where it has one. */
export function giveBackOf(attempt: Attempt, outcome: SlotOutcome): void {
  const { permit, record } = attempt;
  attempt.permit = undefined;
  if (permit !== undefined && record !== undefined) giveBack(permit, record, outcome);
}
