/** Tells the engine what became of a delivery, and then everybody else. An engine that does not take it will deliver again. */
import { emit, observed } from '../events/bus.ts';
import type { Faults } from '../queue/faults.ts';
import { call } from '../signal/call.ts';
import type { JobDelivery } from './engine.ts';
import { failureOf, type JobOutcome } from './outcome.ts';

/** What an outcome came to: `lost` where the lease was gone, or the engine did not take it. */
export type Settled = JobOutcome['kind'] | 'lost';

/** Where and how a delivery is settled. */
export interface Settlement {
  readonly queue: string;
  readonly faults: Faults;
  /** How long the engine may take to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** How long the handler ran. */
  readonly durationMs: number;
  /** Whether the lease is known to be lost. */
  readonly leaseLost: boolean;
}

/** Settles `delivery`; never rejects. */
export async function settle(
  delivery: JobDelivery,
  outcome: JobOutcome,
  settlement: Settlement,
): Promise<Settled> {
  const { queue, faults, timeoutMs } = settlement;
  const { id } = delivery.job;
  try {
    const telling = tell(delivery, outcome);
    const answer = await (timeoutMs === Infinity
      ? telling
      : call(() => telling, { timeoutMs, name: `Settling job "${id}" of queue "${queue}"` }));
    const settled = settlement.leaseLost || answer === 'lease-lost' ? 'lost' : outcome.kind;
    report(delivery, outcome, settled, settlement);
    return settled;
  } catch (error) {
    const data = { id, attempt: delivery.attempt, outcome: outcome.kind, error };
    faults.report('job.unsettled', `the engine did not take the outcome of job "${id}"`, data);
    return 'lost';
  }
}

async function tell(delivery: JobDelivery, outcome: JobOutcome): Promise<'acked' | 'lease-lost'> {
  switch (outcome.kind) {
    case 'ack':
      return delivery.ack();
    case 'retry':
      await delivery.retry(outcome.delayMs, failureOf(outcome.error));
      break;
    case 'dead':
      await delivery.dead(failureOf(outcome.error));
      break;
    case 'release':
      await delivery.release(outcome.delayMs);
      break;
  }
  return 'acked';
}

function report(
  { job, attempt }: JobDelivery,
  outcome: JobOutcome,
  settled: Settled,
  { queue, faults, durationMs }: Settlement,
): void {
  const { id } = job;
  if (outcome.kind === 'dead' && settled === 'dead') {
    const { error } = outcome;
    const attempts = Math.min(attempt, job.maxRetries + 1);
    faults.report('job.dead', `job "${id}" is dead after ${attempts} starts`, { id, attempts, error });
  } else if (observed()) {
    const type = settled === 'lost' ? 'job.lease-lost' : EVENTS[settled];
    emit(type, queue, { id, attempt, ...detailsOf(outcome, durationMs) });
  }
}

const EVENTS: Readonly<Record<JobOutcome['kind'], string>> = {
  ack: 'job.done',
  retry: 'job.retried',
  dead: 'job.dead',
  release: 'job.released',
};

function detailsOf(outcome: JobOutcome, durationMs: number): Readonly<Record<string, unknown>> {
  if (outcome.kind === 'ack') return { durationMs };
  if (outcome.kind === 'dead') return { error: outcome.error };
  return { delayMs: outcome.delayMs ?? 0, error: outcome.error };
}
