/** What a guard costs around a call that succeeds: breaker, retry, and the whole stack. */
import { CircuitBreaker, Policy, retry } from '@holdfast/core';
import asyncRetry from 'async-retry';
import {
  CountBreaker,
  SamplingBreaker,
  TimeoutStrategy,
  bulkhead,
  circuitBreaker,
  handleAll,
  retry as cockatielRetry,
  timeout,
  wrap,
} from 'cockatiel';
import Opossum from 'opossum';
import pRetry from 'p-retry';
import type { Case, CaseAt, Contender } from '../case.ts';

function sequential(name: string, operations: number, guarded: () => PromiseLike<unknown>): Contender {
  return {
    name,
    async run() {
      for (let n = 0; n < operations; n += 1) await guarded();
    },
  };
}

const work = async (): Promise<number> => 1;
const readsSignal = async ({ signal }: { signal: AbortSignal }): Promise<boolean> => signal.aborted;

/** A closed breaker that judges the calls of a time, as a new CircuitBreaker does. */
export const breaker: CaseAt = (operations): Case => {
  const ours = new CircuitBreaker();
  const theirs = circuitBreaker(handleAll, {
    halfOpenAfter: 5_000,
    breaker: new SamplingBreaker({ threshold: 0.5, duration: 30_000 }),
  });
  const opossum = new Opossum(work, { timeout: false });
  return {
    name: `closed breaker ${operations}`,
    work: `${operations} calls, one after the other, through a closed circuit breaker that judges the calls of the last 30 seconds.`,
    operations,
    contenders: [
      sequential('CircuitBreaker', operations, () => ours.execute(work)),
      sequential('CircuitBreaker, callee reads the signal', operations, () => ours.execute(readsSignal)),
      sequential('cockatiel', operations, () => theirs.execute(work)),
      sequential('opossum', operations, () => opossum.fire()),
    ],
    demands: [{ against: 'cockatiel', ratio: 2 }],
  };
};

/** A closed breaker that judges a number of calls. */
export const countingBreaker: CaseAt = (operations): Case => {
  const ours = new CircuitBreaker({ windowSize: 100 });
  const theirs = circuitBreaker(handleAll, {
    halfOpenAfter: 5_000,
    breaker: new CountBreaker({ threshold: 0.5, size: 100 }),
  });
  return {
    name: `closed breaker, counting ${operations}`,
    work: `${operations} calls, one after the other, through a closed circuit breaker that judges the last 100 calls.`,
    operations,
    contenders: [
      sequential('CircuitBreaker', operations, () => ours.execute(work)),
      sequential('cockatiel', operations, () => theirs.execute(work)),
    ],
    demands: [{ against: 'cockatiel', ratio: 2 }],
  };
};

/** A retry that need not retry. */
export const retrying: CaseAt = (operations): Case => {
  const theirs = cockatielRetry(handleAll, { maxAttempts: 3 });
  return {
    name: `retry, success ${operations}`,
    work: `${operations} calls that succeed at once, one after the other, each under a retry.`,
    operations,
    contenders: [
      sequential('retry', operations, () => retry(work)),
      sequential('retry, callee reads the signal', operations, () => retry(readsSignal)),
      sequential('cockatiel', operations, () => theirs.execute(work)),
      sequential('p-retry', operations, () => pRetry(work)),
      sequential('async-retry', operations, () => asyncRetry(work)),
    ],
    demands: [{ against: 'cockatiel', ratio: 1.5 }],
  };
};

/** Retry, breaker and time-out, then a bulkhead as well. */
export const stack: CaseAt = (operations): Case => {
  const options = { retry: { maxRetries: 3 }, breaker: {}, timeoutMs: 10_000 };
  const three = new Policy(options);
  const four = new Policy({ ...options, bulkhead: { maxConcurrent: 32 } });
  const parts = [
    cockatielRetry(handleAll, { maxAttempts: 3 }),
    circuitBreaker(handleAll, {
      halfOpenAfter: 5_000,
      breaker: new CountBreaker({ threshold: 0.5, size: 100 }),
    }),
  ] as const;
  const cockatielThree = wrap(...parts, timeout(10_000, TimeoutStrategy.Aggressive));
  const cockatielFour = wrap(...parts, bulkhead(32), timeout(10_000, TimeoutStrategy.Aggressive));
  return {
    name: `retry + breaker + time-out ${operations}`,
    work: `${operations} calls that succeed at once, one after the other, under retry, breaker and time-out.`,
    operations,
    contenders: [
      sequential('Policy', operations, () => three.execute(work)),
      sequential('Policy, callee reads the signal', operations, () => three.execute(readsSignal)),
      sequential('Policy with bulkhead', operations, () => four.execute(work)),
      sequential('cockatiel', operations, () => cockatielThree.execute(work)),
      sequential('cockatiel with bulkhead', operations, () => cockatielFour.execute(work)),
    ],
    demands: [{ against: 'cockatiel', ratio: process.versions.node.startsWith('20.') ? 20 : 10 }],
  };
};
