/**
 * The same request, guarded by what each library has for it. All have the same numbers: two seconds for a request, half a second
 * for an attempt, three retries from 50 ms up, a breaker that opens at half of at least 20 calls in five seconds, for one second.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpStatusError, Policy, policyFetch, withTimeout } from '@holdfast/core';
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  ExponentialBackoff,
  SamplingBreaker,
  TimeoutStrategy,
  bulkhead,
  circuitBreaker,
  handleWhen,
  retry,
  timeout,
  wrap,
} from 'cockatiel';
import Opossum from 'opossum';
import pRetry from 'p-retry';
import type { Ask } from './load.ts';

/** How long a caller waits, in milliseconds. What comes later is of no use to him. */
export const DEADLINE_MS = 2_000;

const ATTEMPT_MS = 500;
const RETRIES = 3;
const BASE_DELAY_MS = 50;
const WINDOW_MS = 5_000;
const MINIMUM_CALLS = 20;
const BREAK_MS = 1_000;
const TRIALS = 3;
const CONCURRENT = 100;

/** One way to guard a request. */
export interface Contender {
  readonly name: string;
  /** Makes what all its requests share. */
  readonly make: () => Ask;
}

async function request(url: string, call: number, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { headers: { 'x-call': String(call) }, signal });
  return bodyOf(response);
}

async function bodyOf(response: Response): Promise<string> {
  const body = await response.text();
  if (response.ok) return body;
  const seconds = response.headers.get('retry-after');
  throw new HttpStatusError(response.status, response.url, {
    retryAfterMs: seconds === null ? undefined : Number(seconds) * 1_000,
  });
}

const plain: Contender = {
  name: 'fetch with a time-out',
  make: () => (url, call) => request(url, call, AbortSignal.timeout(DEADLINE_MS)),
};

const loop: Contender = {
  name: 'fetch in a loop',
  make: () => async (url, call) => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await request(url, call, AbortSignal.timeout(ATTEMPT_MS));
      } catch (error) {
        if (attempt === RETRIES) throw error;
        await sleep(BASE_DELAY_MS);
      }
    }
  },
};

function retried(url: string, call: number): Promise<string> {
  const caller = AbortSignal.timeout(DEADLINE_MS);
  return pRetry(() => request(url, call, AbortSignal.any([caller, AbortSignal.timeout(ATTEMPT_MS)])), {
    retries: RETRIES,
    minTimeout: BASE_DELAY_MS,
    randomize: true,
    maxRetryTime: DEADLINE_MS,
    signal: caller,
  });
}

const pretry: Contender = { name: 'p-retry', make: () => retried };

const cockatiel: Contender = {
  name: 'cockatiel',
  make() {
    const failed = handleWhen((error) => !(error instanceof BulkheadRejectedError));
    const worthRetrying = handleWhen(
      (error) => !(error instanceof BrokenCircuitError || error instanceof BulkheadRejectedError),
    );
    const policy = wrap(
      timeout(DEADLINE_MS, TimeoutStrategy.Aggressive),
      retry(worthRetrying, {
        maxAttempts: RETRIES,
        backoff: new ExponentialBackoff({ initialDelay: BASE_DELAY_MS }),
      }),
      circuitBreaker(failed, {
        halfOpenAfter: BREAK_MS,
        breaker: new SamplingBreaker({
          threshold: 0.5,
          duration: WINDOW_MS,
          minimumRps: (MINIMUM_CALLS * 1_000) / WINDOW_MS,
        }),
        halfOpenSampling: { calls: TRIALS, threshold: 0.5 },
      }),
      bulkhead(CONCURRENT, CONCURRENT),
      timeout(ATTEMPT_MS, TimeoutStrategy.Aggressive),
    );
    return (url, call) => policy.execute(({ signal }) => request(url, call, signal));
  },
};

const opossum: Contender = {
  name: 'opossum around p-retry',
  make() {
    const breaker = new Opossum(retried, {
      timeout: DEADLINE_MS,
      errorThresholdPercentage: 50,
      rollingCountTimeout: WINDOW_MS,
      volumeThreshold: MINIMUM_CALLS,
      resetTimeout: BREAK_MS,
    });
    return (url, call) => breaker.fire(url, call);
  },
};

function makePolicy(name: string): Policy {
  return new Policy({
    name,
    timeoutMs: DEADLINE_MS,
    attemptTimeoutMs: ATTEMPT_MS,
    retry: { maxRetries: RETRIES, baseDelayMs: BASE_DELAY_MS, budget: {} },
    breaker: {
      windowMs: WINDOW_MS,
      minimumCalls: MINIMUM_CALLS,
      breakMs: BREAK_MS,
      maxBreakMs: BREAK_MS,
      halfOpenCalls: TRIALS,
    },
    bulkhead: { maxConcurrent: CONCURRENT, maxQueue: CONCURRENT },
  });
}

const policy: Contender = {
  name: 'Policy',
  make() {
    const guard = makePolicy('Policy');
    return (url, call) => guard.execute(({ signal }) => request(url, call, signal));
  },
};

const fetching: Contender = {
  name: 'policyFetch',
  make() {
    const get = policyFetch(makePolicy('policyFetch'));
    return (url, call) =>
      withTimeout(
        async ({ signal }) => bodyOf(await get(url, { headers: { 'x-call': String(call) }, signal })),
        { timeoutMs: DEADLINE_MS },
      );
  },
};

/** Those that are Holdfast's. */
export const ours: readonly Contender[] = [fetching, policy];

/** In the order of the report: without, then what peers have, then ours. */
export const contenders: readonly Contender[] = [plain, loop, pretry, opossum, cockatiel, ...ours];
