import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as fc from 'fast-check';
import {
  AdaptiveLimit,
  Bulkhead,
  Deadline,
  HttpStatusError,
  Policy,
  sleep,
  subscribe,
  type AdaptiveLimitOptions,
} from '../../src/index.ts';

const make = (options: object) => () => new AdaptiveLimit({ maxConcurrent: 100, ...options });

/** Calls `limit` from as many callers as there are, each again and again, until `calls` are done. */
async function saturate(
  limit: AdaptiveLimit,
  callers: number,
  calls: number,
  work: () => Promise<unknown>,
): Promise<void> {
  let left = calls;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await limit.execute(work).catch(() => {});
    }
  };
  const all = Promise.all(Array.from({ length: callers }, caller));
  await vi.advanceTimersByTimeAsync(10_000_000);
  await all;
}

/** Work that takes ten milliseconds while `capacity` run at once, and longer in proportion when more do. */
function callee(capacity: number): () => Promise<void> {
  let running = 0;
  return async () => {
    running += 1;
    await sleep(10 * Math.max(1, running / capacity));
    running -= 1;
  };
}

describe('AdaptiveLimit', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('is a bulkhead that starts at 20, moved into its bounds', async () => {
    expect(new AdaptiveLimit({ maxConcurrent: 100 })).toBeInstanceOf(Bulkhead);
    expect(new AdaptiveLimit({ maxConcurrent: 100 }).maxConcurrent).toBe(20);
    expect(new AdaptiveLimit({ maxConcurrent: 8 }).maxConcurrent).toBe(8);
    expect(new AdaptiveLimit({ maxConcurrent: 100, minConcurrent: 30 }).maxConcurrent).toBe(30);
    const limit = new AdaptiveLimit({ maxConcurrent: 8, initialConcurrent: 1 });
    void limit.execute(() => sleep(10));
    await expect(limit.execute(() => sleep(10))).rejects.toMatchObject({ code: 'BULKHEAD_FULL', limit: 1 });
    await vi.advanceTimersByTimeAsync(10);
  });

  it('grows by one after a round of good calls, and lets those who wait in at once', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 100, initialConcurrent: 2, maxQueue: 10 });
    const all = [1, 2, 3, 4, 5].map(() => limit.execute(() => sleep(10)));
    expect(limit.inUse).toBe(2);
    await vi.advanceTimersByTimeAsync(10);
    expect(limit.maxConcurrent).toBe(3);
    expect(limit.inUse).toBe(3);
    await vi.advanceTimersByTimeAsync(10);
    await Promise.all(all);
    expect(limit.maxConcurrent).toBe(4);
  });

  it('learns nothing while less than half of it is in use', async () => {
    for (const algorithm of ['aimd', 'gradient'] as const) {
      const limit = new AdaptiveLimit({ maxConcurrent: 100, initialConcurrent: 20, algorithm });
      await saturate(limit, 9, 1_000, () => sleep(10));
      expect(limit.maxConcurrent).toBe(20);
      await saturate(limit, 9, 100, () => Promise.reject(new HttpStatusError(503, 'http://callee', {})));
      expect(limit.maxConcurrent).toBe(20);
    }
  });

  it('counts calls that time out together as one overload', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 100, initialConcurrent: 50 });
    const ignores = Array.from({ length: 50 }, () =>
      limit.execute(() => sleep(100), { deadline: Deadline.after(20) }).catch(() => {}),
    );
    await vi.advanceTimersByTimeAsync(20);
    await Promise.all(ignores);
    expect(limit.maxConcurrent).toBe(45);
    await vi.advanceTimersByTimeAsync(100);
  });

  it('falls to its minimum under steady time-outs and no further, whatever the algorithm', async () => {
    for (const algorithm of ['aimd', 'gradient'] as const) {
      const limit = new AdaptiveLimit({ maxConcurrent: 100, minConcurrent: 3, maxQueue: 200, algorithm });
      await saturate(limit, 150, 1_000, async () => {
        await sleep(10);
        throw new DOMException('too late', 'TimeoutError');
      });
      expect(limit.maxConcurrent).toBe(3);
    }
  });

  it('finds its way back up after an overload', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 30, minConcurrent: 2, maxQueue: 200 });
    let healthy = false;
    const work = async (): Promise<void> => {
      await sleep(10);
      if (!healthy) throw new DOMException('too late', 'TimeoutError');
    };
    await saturate(limit, 60, 500, work);
    expect(limit.maxConcurrent).toBe(2);
    healthy = true;
    await saturate(limit, 60, 5_000, work);
    expect(limit.maxConcurrent).toBe(30);
  });

  it('settles near what its callee takes without becoming slow, with the gradient', async () => {
    const limit = new AdaptiveLimit({
      maxConcurrent: 200,
      initialConcurrent: 5,
      algorithm: 'gradient',
      maxQueue: 300,
    });
    await saturate(limit, 250, 10_000, callee(20));
    expect(limit.maxConcurrent).toBeGreaterThan(20);
    expect(limit.maxConcurrent).toBeLessThan(40);
    expect(limit.stats()['unloadedMs']).toBeLessThan(15);
  });

  it('does not come to think that slow is normal while it is overloaded', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 200, algorithm: 'gradient', maxQueue: 300 });
    const work = callee(20);
    await saturate(limit, 250, 5_000, work);
    const before = limit.stats()['unloadedMs'];
    await saturate(limit, 250, 20_000, work);
    expect(limit.stats()['unloadedMs']).toBeLessThanOrEqual(Number(before));
    expect(limit.maxConcurrent).toBeLessThan(40);
  });

  it('learns at its minimum that its callee has become slower for good', async () => {
    const limit = new AdaptiveLimit({
      maxConcurrent: 100,
      minConcurrent: 4,
      algorithm: 'gradient',
      maxQueue: 1_000,
    });
    await saturate(limit, 200, 5_000, () => sleep(10));
    await saturate(limit, 200, 10_000, () => sleep(80));
    expect(limit.stats()['unloadedMs']).toBeGreaterThan(50);
    expect(limit.maxConcurrent).toBeGreaterThan(50);
  });

  it('takes slow calls for an overload where told what slow is', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 10, initialConcurrent: 10, slowCallMs: 50 });
    const all = Array.from({ length: 10 }, () => limit.execute(() => sleep(51)));
    await vi.advanceTimersByTimeAsync(51);
    await Promise.all(all);
    expect(limit.maxConcurrent).toBe(9);
  });

  it('learns nothing from failures that are no overload, nor from a caller who leaves', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 10, initialConcurrent: 2, maxQueue: 10 });
    await saturate(limit, 2, 50, () => Promise.reject(new Error('no such user')));
    await saturate(limit, 2, 50, () => Promise.reject(new HttpStatusError(500, 'http://callee', {})));
    const controller = new AbortController();
    const leaving = [1, 2].map(() => limit.execute(() => sleep(10), { signal: controller.signal }));
    controller.abort(new DOMException('gone', 'TimeoutError'));
    for (const one of leaving) await expect(one).rejects.toMatchObject({ message: 'gone' });
    await vi.advanceTimersByTimeAsync(10);
    expect(limit.maxConcurrent).toBe(2);
  });

  it('learns as the bulkhead of a policy, and nothing from permits that are only disposed of', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 10, initialConcurrent: 2 });
    const policy = new Policy({ bulkhead: limit, attemptTimeoutMs: 50 });
    await Promise.all([1, 2].map(() => policy.execute(async () => {})));
    expect(limit.maxConcurrent).toBe(3);
    const late = [1, 2, 3].map(() => policy.execute((ctx) => sleep(100, ctx)).catch(() => {}));
    await vi.advanceTimersByTimeAsync(50);
    await Promise.all(late);
    expect(limit.maxConcurrent).toBe(2);
    for (let call = 0; call < 10; call += 1) {
      using _ = await limit.acquire();
    }
    expect(limit.maxConcurrent).toBe(2);
  });

  it('asks overloadIf where it is given, and reports what that throws', async () => {
    const report = vi.spyOn(console, 'error').mockImplementation(() => {});
    const limit = new AdaptiveLimit({
      maxConcurrent: 10,
      initialConcurrent: 10,
      overloadIf: (error) => {
        if (error === 'broken') throw new Error('predicate');
        return error === 'busy';
      },
    });
    await saturate(limit, 10, 10, () => sleep(1).then(() => Promise.reject('broken')));
    expect(limit.maxConcurrent).toBe(10);
    expect(report).toHaveBeenCalledTimes(10);
    await saturate(limit, 10, 10, () => sleep(1).then(() => Promise.reject('busy')));
    expect(limit.maxConcurrent).toBe(9);
    report.mockRestore();
  });

  it('can be moved by hand within its bounds, and told of an overload seen elsewhere', () => {
    const events: unknown[] = [];
    using _ = subscribe(({ type, name, data }) => events.push({ type, name, ...data }));
    const limit = new AdaptiveLimit({ name: 'search', maxConcurrent: 100, minConcurrent: 2 });
    limit.setLimit(50);
    limit.backOff();
    expect(limit.maxConcurrent).toBe(45);
    expect(events).toEqual([
      { type: 'limit.changed', name: 'search', from: 50, to: 45, reason: 'elsewhere' },
    ]);
    expect(() => limit.setLimit(1)).toThrow(RangeError);
    expect(() => limit.setLimit(101)).toThrow(RangeError);
    expect(limit.stats()).toMatchObject({ maxConcurrent: 45, minLimit: 2, maxLimit: 100 });
  });

  it('passes values and errors on untouched, and runs nothing that is not a function', async () => {
    const limit = new AdaptiveLimit({ maxConcurrent: 10 });
    expect(await limit.execute(() => 42)).toBe(42);
    await expect(limit.execute(() => Promise.reject('no'))).rejects.toBe('no');
    await expect(Reflect.apply(limit.execute.bind(limit), undefined, [null])).rejects.toThrow(TypeError);
  });

  it('stays within its bounds and its limit whatever happens', async () => {
    const outcome = fc.record({
      afterMs: fc.integer({ min: 1, max: 30 }),
      what: fc.constantFrom('ok', 'slow', 'timeout', 'error', 'abort'),
    });
    const options: fc.Arbitrary<AdaptiveLimitOptions> = fc
      .record({
        minConcurrent: fc.integer({ min: 1, max: 5 }),
        more: fc.integer({ min: 0, max: 20 }),
        initialConcurrent: fc.integer({ min: 1, max: 30 }),
        algorithm: fc.constantFrom('aimd' as const, 'gradient' as const),
        backoffRatio: fc.double({ min: 0.1, max: 0.99, noNaN: true }),
      })
      .map(({ more, ...rest }) => ({
        ...rest,
        maxConcurrent: rest.minConcurrent + more,
        slowCallMs: 100,
        maxQueue: 100,
      }));
    await fc.assert(
      fc.asyncProperty(options, fc.array(outcome, { maxLength: 80 }), async (given, outcomes) => {
        const limit = new AdaptiveLimit(given);
        let running = 0;
        const check = (): void => {
          expect(limit.maxConcurrent).toBeGreaterThanOrEqual(given.minConcurrent ?? 1);
          expect(limit.maxConcurrent).toBeLessThanOrEqual(given.maxConcurrent);
          expect(Number.isInteger(limit.maxConcurrent)).toBe(true);
          expect(running).toBe(limit.inUse);
        };
        const all = outcomes.map(async ({ afterMs, what }) => {
          const controller = new AbortController();
          const work = async (): Promise<void> => {
            running += 1;
            await sleep(what === 'slow' ? 150 : afterMs);
            running -= 1;
            if (what === 'timeout') throw new DOMException('late', 'TimeoutError');
            if (what === 'error') throw new Error('error');
          };
          if (what === 'abort') setTimeout(() => controller.abort(), afterMs);
          await limit.execute(work, { signal: controller.signal }).catch(() => {});
        });
        for (let step = 0; step < 400 && vi.getTimerCount() > 0; step += 1) {
          await vi.advanceTimersByTimeAsync(7);
          check();
        }
        await Promise.all(all);
        expect(limit.inUse + limit.waiting).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('rejects bad options by type and by range', () => {
    for (const options of [
      { minConcurrent: '1' },
      { initialConcurrent: null },
      { algorithm: 1 },
      { backoffRatio: '0.9' },
      { overloadIf: null },
      { slowCallMs: null },
      { limit: 1 },
    ])
      expect(make(options)).toThrow(TypeError);
    for (const options of [
      { maxConcurrent: Infinity },
      { minConcurrent: 0 },
      { minConcurrent: 101 },
      { initialConcurrent: 0 },
      { algorithm: 'vegas' },
      { backoffRatio: 1 },
      { tolerance: 0.5 },
      { slowCallMs: 0 },
      { maxQueue: -1 },
    ])
      expect(make(options)).toThrow(RangeError);
  });
});
