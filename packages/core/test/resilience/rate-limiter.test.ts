import { AsyncLocalStorage } from 'node:async_hooks';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, RateLimiter, Service, subscribe, type RateLimiterOptions } from '../../src/index.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** When each of `count` calls that come at once may start, in milliseconds from now. */
async function startsOf(limiter: RateLimiter, count: number): Promise<number[]> {
  const begun = performance.now();
  const starts: number[] = [];
  const all = Promise.all(
    Array.from({ length: count }, () => limiter.execute(() => starts.push(performance.now() - begun))),
  );
  await vi.runAllTimersAsync();
  await all;
  return starts;
}

describe('RateLimiter', () => {
  it('saves up to a burst and then lets starts through evenly', async () => {
    expect(await startsOf(new RateLimiter({ limit: 4 }), 8)).toEqual([0, 0, 0, 0, 250, 500, 750, 1_000]);
    expect(await startsOf(new RateLimiter({ limit: 2, intervalMs: 100, burst: 1 }), 4)).toEqual([
      0, 50, 100, 150,
    ]);
  });

  it('lets a whole window through at once where the window slides', async () => {
    const limiter = new RateLimiter({ limit: 3, window: 'sliding' });
    expect(await startsOf(limiter, 8)).toEqual([0, 0, 0, 1_000, 1_000, 1_000, 2_000, 2_000]);
  });

  it('never starts more than the limit in any window, nor more than burst and refill in a bucket', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom<'sliding' | 'token-bucket'>('sliding', 'token-bucket'),
        fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 40 }),
        async (limit, window, gaps) => {
          const limiter = new RateLimiter({ limit, window, maxQueue: Infinity });
          const starts: number[] = [];
          const calls: Promise<unknown>[] = [];
          for (const gap of gaps) {
            await vi.advanceTimersByTimeAsync(gap);
            calls.push(limiter.execute(() => starts.push(performance.now())));
          }
          await vi.runAllTimersAsync();
          await Promise.all(calls);
          expect(starts).toHaveLength(gaps.length);
          for (const [index, start] of starts.entries()) {
            const within = starts.slice(index).filter((other) => other - start < 1_000).length;
            expect(within).toBeLessThanOrEqual(window === 'sliding' ? limit : limit * 2);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('serves first come, first served, and moves those behind up when one leaves', async () => {
    const limiter = new RateLimiter({ limit: 1 });
    expect(limiter.tryAcquire()).toBe(true);
    const controller = new AbortController();
    const order: string[] = [];
    const left = limiter.acquire({ signal: controller.signal });
    const second = limiter.acquire().then(() => order.push(`second at ${performance.now() - begun}`));
    const third = limiter.acquire().then(() => order.push(`third at ${performance.now() - begun}`));
    const begun = performance.now();
    await vi.advanceTimersByTimeAsync(500);
    expect(limiter.tryAcquire()).toBe(false);
    controller.abort('left');
    await expect(left).rejects.toBe('left');
    await vi.advanceTimersByTimeAsync(1_500);
    await Promise.all([second, third]);
    expect(order).toEqual(['second at 1000', 'third at 2000']);
  });

  it('refuses at once whoever cannot wait for as long as it takes, and says how long that is', async () => {
    const told: unknown[] = [];
    using _ = subscribe(({ type, data }) => told.push([type, data]));
    const limiter = new RateLimiter({ limit: 1, name: 'geocoder' });
    await limiter.acquire();
    const work = vi.fn();
    await expect(limiter.execute(work, { maxWaitMs: 999 })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      retryAfterMs: 1_000,
    });
    await expect(limiter.execute(work, { maxWaitMs: 0 })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await expect(limiter.execute(work, { deadline: Deadline.after(1_000) })).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
    const waits = limiter.acquire({ maxWaitMs: 1_000 });
    await expect(limiter.acquire({ maxWaitMs: 1_999 })).rejects.toMatchObject({ retryAfterMs: 2_000 });
    expect(told).toHaveLength(4);
    expect(told[3]).toEqual(['rate.rejected', { retryAfterMs: 2_000, waiting: 1 }]);
    await vi.advanceTimersByTimeAsync(1_000);
    await waits;
    expect(work).not.toHaveBeenCalled();
    expect(limiter.stats()).toMatchObject({ started: 2, rejected: 4, waiting: 0 });
  });

  it('bounds its line', async () => {
    const limiter = new RateLimiter({ limit: 1, maxQueue: 1 });
    await limiter.acquire();
    const waits = limiter.acquire();
    await expect(limiter.acquire()).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 2_000 });
    await vi.runAllTimersAsync();
    await waits;
  });

  it('has no timer once the last has left the line', async () => {
    const limiter = new RateLimiter({ limit: 1 });
    await limiter.acquire();
    const controller = new AbortController();
    const left = limiter.acquire({ signal: controller.signal });
    expect(vi.getTimerCount()).toBe(1);
    controller.abort('left');
    expect(vi.getTimerCount()).toBe(0);
    await expect(left).rejects.toBe('left');
  });

  it('runs a call in the context of its caller', async () => {
    const storage = new AsyncLocalStorage<number>();
    const limiter = new RateLimiter({ limit: 1, intervalMs: 10 });
    const calls = [1, 2, 3].map((caller) =>
      storage.run(caller, () => limiter.execute(() => [caller, storage.getStore()])),
    );
    await vi.runAllTimersAsync();
    for (const [caller, store] of await Promise.all(calls)) expect(store).toBe(caller);
  });

  it('lets a caller go at once who leaves while his call runs', async () => {
    const limiter = new RateLimiter({ limit: 1 });
    const controller = new AbortController();
    const call = limiter.execute(() => new Promise(() => {}), { signal: controller.signal });
    await vi.advanceTimersByTimeAsync(0);
    controller.abort('left');
    await expect(call).rejects.toBe('left');
  });

  it('closes, drains and cancels like everything that has a line', async () => {
    const limiter = new RateLimiter({ limit: 1 });
    await limiter.acquire();
    const served = limiter.acquire();
    limiter.close();
    await expect(limiter.acquire()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    expect(limiter.tryAcquire()).toBe(false);
    const drained = limiter.drain();
    await vi.runAllTimersAsync();
    await served;
    await expect(drained).resolves.toMatchObject({ drained: true });

    const other = new RateLimiter({ limit: 1 });
    await other.acquire();
    const turned = expect(other.acquire()).rejects.toBe('enough');
    other.cancel('enough');
    await turned;
    await other[Symbol.asyncDispose]();
  });

  it('asks at the door of the service that owns it', async () => {
    const service = new Service({ name: 'relay' });
    const limiter = service.own(new RateLimiter({ name: 'geocoder', limit: 5 }));
    await service.start();
    const done = service.shutdown();
    await vi.runAllTimersAsync();
    await done;
    await expect(limiter.acquire()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it.each<[string, unknown]>([
    ['limit', 0],
    ['limit', 1.5],
    ['limit', Infinity],
    ['limit', '5'],
    ['intervalMs', 0],
    ['intervalMs', Infinity],
    ['window', 'fixed'],
    ['burst', 0],
    ['maxQueue', -1],
    ['maxWaitMs', -1],
    ['name', ''],
    ['rate', 5],
  ])('refuses %s %s at construction', (option, value) => {
    const make = (): unknown => Reflect.construct(RateLimiter, [{ limit: 5, [option]: value }]);
    expect(make).toThrow(expect.objectContaining({ message: expect.stringContaining(option) }));
  });

  it('refuses a burst for a window that slides', () => {
    const options: RateLimiterOptions = { limit: 5, window: 'sliding', burst: 5 };
    expect(() => new RateLimiter(options)).toThrow(TypeError);
  });
});
