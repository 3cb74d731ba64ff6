/** Random policies and calls: each call has one outcome, limits are true at every moment, and in the end nothing is left. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, Policy, type PolicyOptions } from '../../src/index.ts';

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const policies: fc.Arbitrary<PolicyOptions> = fc.record({
  timeoutMs: maybe(fc.integer({ min: 20, max: 500 })),
  attemptTimeoutMs: maybe(fc.integer({ min: 10, max: 200 })),
  retry: maybe(
    fc.record({
      maxRetries: fc.integer({ min: 0, max: 3 }),
      baseDelayMs: fc.integer({ min: 0, max: 50 }),
      jitter: fc.constantFrom('none' as const, 'full' as const, 'decorrelated' as const),
      retryIf: maybe(
        fc.constantFrom(
          () => true,
          async () => true,
          () => false,
        ),
      ),
      retryResultIf: maybe(fc.constant((value: unknown) => value === 'poor')),
      budget: maybe(fc.constant({ minPerSec: 0.5, ratio: 0.1 })),
    }),
  ),
  breaker: maybe(
    fc.record({
      consecutiveFailures: fc.integer({ min: 1, max: 5 }),
      breakMs: fc.constant(100),
      halfOpenCalls: fc.integer({ min: 1, max: 2 }),
      slowCallMs: maybe(fc.constant(60)),
    }),
  ),
  bulkhead: maybe(
    fc.record({
      maxConcurrent: fc.integer({ min: 1, max: 3 }),
      maxQueue: fc.integer({ min: 0, max: 3 }),
      maxWaitMs: fc.constantFrom(20, Infinity),
    }),
  ),
});

const calls = fc.array(
  fc.record({
    afterMs: fc.nat({ max: 60 }),
    /** What each attempt does: how long it takes, and how it ends. */
    attempts: fc.array(
      fc.record({
        takesMs: fc.constantFrom(0, 5, 30, 150, 700),
        ends: fc.constantFrom('good', 'poor', 'down', 'throw'),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    heeds: fc.boolean(),
    abortAfterMs: maybe(fc.nat({ max: 300 })),
    deadlineMs: maybe(fc.integer({ min: 1, max: 400 })),
    fallback: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

const down = new Error('down');

describe('Policy', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('gives every call one outcome, keeps its limits at every moment, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(policies, calls, async (options, planned) => {
        const policy = new Policy(options);
        const outcomes: number[] = planned.map(() => 0);
        let running = 0;
        let most = 0;
        let failures = 0;
        const finished: Promise<unknown>[] = [];

        for (const [index, plan] of planned.entries()) {
          await vi.advanceTimersByTimeAsync(plan.afterMs);
          const controller = new AbortController();
          let starts = 0;
          const outcome = policy.execute(
            ({ attempt, ...rest }) => {
              starts += 1;
              expect(attempt).toBe(starts);
              expect(starts).toBeLessThanOrEqual((options.retry?.maxRetries ?? 0) + 1);
              const { takesMs, ends } = plan.attempts[(attempt - 1) % plan.attempts.length] ?? {
                takesMs: 0,
                ends: 'good',
              };
              if (ends === 'throw') throw down;
              running += 1;
              most = Math.max(most, running);
              return new Promise<string>((resolve, reject) => {
                const end = (): void => {
                  running -= 1;
                  clearTimeout(timer);
                  if (ends === 'down') reject(down);
                  else resolve(ends);
                };
                const timer = setTimeout(end, takesMs);
                if (plan.heeds) rest.signal.addEventListener('abort', end, { once: true });
              });
            },
            {
              signal: controller.signal,
              deadline: plan.deadlineMs === undefined ? undefined : Deadline.after(plan.deadlineMs),
              ...(plan.fallback ? { fallback: () => 'fallback' } : {}),
            },
          );
          const record = (): void => {
            outcomes[index] = (outcomes[index] ?? 0) + 1;
          };
          finished.push(
            outcome.then(record, (error: unknown) => {
              record();
              failures += 1;
              const known =
                error === down || error === 'left' || typeof Reflect.get(Object(error), 'code') === 'string';
              expect(known).toBe(true);
            }),
          );
          if (plan.abortAfterMs !== undefined) setTimeout(() => controller.abort('left'), plan.abortAfterMs);
        }
        await vi.runAllTimersAsync();
        await Promise.all(finished);

        expect(outcomes).toEqual(planned.map(() => 1));
        expect(most).toBeLessThanOrEqual(options.bulkhead?.maxConcurrent ?? Infinity);
        const stats = policy.stats();
        expect(stats).toMatchObject({ inFlight: 0, leaked: 0 });
        expect(Number(stats['succeeded']) + Number(stats['failed']) + Number(stats['aborted'])).toBe(
          planned.length,
        );
        expect(failures).toBeLessThanOrEqual(Number(stats['failed']) + Number(stats['aborted']));
        expect([policy.bulkhead?.inUse ?? 0, policy.bulkhead?.waiting ?? 0]).toEqual([0, 0]);
        expect(vi.getTimerCount()).toBe(0);

        // nor is the circuit wedged
        await vi.advanceTimersByTimeAsync(600_000);
        for (let trial = 0; trial < 2; trial += 1)
          await policy.breaker?.execute(async () => 'fine').catch(() => {});
        expect(policy.breaker?.state ?? 'closed').toBe('closed');
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
