import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as fc from 'fast-check';
import {
  Deadline,
  ResourcePool,
  Semaphore,
  ShuttingDownError,
  sleep,
  subscribe,
  type Lease,
  type ResourcePoolOptions,
} from '../../src/index.ts';
import { ADOPT } from '../../src/component.ts';
import { executionOf } from '../../src/signal/execution.ts';

const never = (): Promise<never> => new Promise(() => {});
const make = (options: unknown) => () => Reflect.construct(ResourcePool, [options]);

/** A pool of numbered resources, and a log of what became of them. */
function numbered(options: Partial<ResourcePoolOptions<number>> = {}): {
  pool: ResourcePool<number>;
  log: string[];
} {
  const log: string[] = [];
  let last = 0;
  const pool = new ResourcePool<number>({
    create: async () => {
      last += 1;
      log.push(`created ${last}`);
      return last;
    },
    destroy: async (value) => {
      log.push(`destroyed ${value}`);
    },
    maxSize: 2,
    ...options,
  });
  return { pool, log };
}

describe('ResourcePool', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('makes a resource when it is needed, and lends it again', async () => {
    const { pool, log } = numbered();
    expect(log).toEqual([]);
    expect(await pool.execute((value) => value)).toBe(1);
    expect(await pool.execute((value) => value)).toBe(1);
    expect(log).toEqual(['created 1']);
    expect(pool).toMatchObject({ size: 1, idle: 1, waiting: 0 });
    await pool[Symbol.asyncDispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lends the one used last first', async () => {
    const { pool } = numbered();
    const leases = [await pool.acquire(), await pool.acquire()];
    for (const lease of leases) await lease[Symbol.asyncDispose]();
    expect(await pool.execute((value) => value)).toBe(2);
  });

  it('makes no more than maxSize, and serves those who wait in order', async () => {
    const { pool, log } = numbered({ maxSize: 1 });
    const lease = await pool.acquire();
    const order: string[] = [];
    const waiting = ['a', 'b'].map((name) => pool.execute((value) => order.push(`${name} got ${value}`)));
    expect(pool.stats()).toEqual({ size: 1, idle: 0, inUse: 1, waiting: 2, maxSize: 1, minSize: 0 });
    await lease[Symbol.asyncDispose]();
    await Promise.all(waiting);
    expect(order).toEqual(['a got 1', 'b got 1']);
    expect(log).toEqual(['created 1']);
  });

  it('refuses who finds the line full, and who has waited too long', async () => {
    const { pool } = numbered({ name: 'browsers', maxSize: 1, maxQueue: 1, maxWaitMs: 50 });
    await pool.acquire();
    const late = expect(pool.acquire()).rejects.toMatchObject({
      code: 'POOL_FULL',
      pool: 'browsers',
      maxQueue: 1,
    });
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'POOL_FULL' });
    await vi.advanceTimersByTimeAsync(50);
    await late;
    await expect(pool.execute(vi.fn(), { maxWaitMs: 0 })).rejects.toMatchObject({ code: 'POOL_FULL' });
  });

  it('opens with minSize resources and keeps as many, and ends the others when they have lain idle', async () => {
    const { pool, log } = numbered({ maxSize: 4, minSize: 1, idleMs: 1_000 });
    await pool.open();
    expect(log).toEqual(['created 1']);
    const leases = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    for (const lease of leases) await lease[Symbol.asyncDispose]();
    await vi.advanceTimersByTimeAsync(999);
    expect(pool.size).toBe(3);
    expect(await pool.execute((value) => value)).toBe(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(log.slice(3)).toEqual(['destroyed 1', 'destroyed 2']);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(pool).toMatchObject({ size: 1, idle: 1 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails to open with what create throws, after all have been tried', async () => {
    let tried = 0;
    const { pool } = numbered({
      minSize: 2,
      create: async () => {
        tried += 1;
        if (tried === 1) throw new Error('refused');
        return tried;
      },
    });
    await expect(pool.open()).rejects.toThrow('refused');
    expect(tried).toBe(2);
    expect(pool).toMatchObject({ size: 1, idle: 1 });
  });

  it('ends an idle resource that is not healthy any more, and lends another', async () => {
    for (const check of [() => false, () => Promise.reject(new Error('broken')), never]) {
      const { pool, log } = numbered({ maxSize: 1, check });
      await pool.execute(() => {});
      const next = pool.execute((value) => value);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await next).toBe(2);
      expect(log).toEqual(['created 1', 'destroyed 1', 'created 2']);
    }
  });

  it('asks check before it lends an idle one, and not for a new one', async () => {
    const check = vi.fn(() => true);
    const { pool } = numbered({ check });
    await pool.execute(() => {});
    expect(check).not.toHaveBeenCalled();
    await pool.execute(() => {});
    expect(check).toHaveBeenCalledExactlyOnceWith(1, expect.anything());
  });

  it('hands the error of create to the caller it was for, and goes on', async () => {
    let tries = 0;
    const { pool } = numbered({
      maxSize: 1,
      create: async () => {
        tries += 1;
        if (tries === 1) throw new Error('refused');
        return tries;
      },
    });
    const first = pool.acquire();
    const second = pool.execute((value) => value);
    await expect(first).rejects.toThrow('refused');
    expect(await second).toBe(2);
    expect(pool.size).toBe(1);
  });

  it('gives up a create that hangs, counts it until it ends, and keeps what comes of it', async () => {
    let arrive: ((value: number) => void) | undefined;
    const { pool, log } = numbered({
      maxSize: 1,
      create: () => new Promise<number>((resolve) => (arrive = resolve)),
      createTimeoutMs: 100,
    });
    const rejected = expect(pool.acquire()).rejects.toMatchObject({ code: 'TIMEOUT', timeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(100);
    await rejected;
    expect(pool.size).toBe(1);
    const next = pool.execute((value) => value);
    arrive?.(7);
    expect(await next).toBe(7);
    expect(log).toEqual([]);
  });

  it('lets a caller leave at any time, and keeps for the next what comes too late', async () => {
    const controller = new AbortController();
    let arrive: ((value: number) => void) | undefined;
    const { pool } = numbered({
      maxSize: 1,
      create: () => new Promise<number>((resolve) => (arrive = resolve)),
    });
    const making = pool.acquire({ signal: controller.signal });
    const waiting = pool.acquire({ signal: controller.signal });
    await vi.advanceTimersByTimeAsync(0);
    controller.abort('left');
    await expect(making).rejects.toBe('left');
    await expect(waiting).rejects.toBe('left');
    expect(pool).toMatchObject({ size: 1, waiting: 0 });
    arrive?.(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(pool).toMatchObject({ size: 1, idle: 1 });
    expect(await pool.execute((value) => value)).toBe(1);
  });

  it('keeps to the deadline', async () => {
    const { pool } = numbered({ maxSize: 1, create: never });
    const rejected = expect(pool.acquire({ deadline: Deadline.after(20) })).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
    });
    await vi.advanceTimersByTimeAsync(20);
    await rejected;
  });

  it('keeps a resource lent while work that was given up still uses it', async () => {
    const controller = new AbortController();
    const { pool } = numbered({ maxSize: 1 });
    let finish: (() => void) | undefined;
    const outcome = pool.execute(() => new Promise<void>((resolve) => (finish = resolve)), {
      signal: controller.signal,
    });
    await vi.advanceTimersByTimeAsync(0);
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(pool).toMatchObject({ size: 1, idle: 0 });
    finish?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(pool.idle).toBe(1);
  });

  it('ends a resource that its borrower discards, and waits for that when disposing of the lease', async () => {
    const { pool, log } = numbered({ maxSize: 1, destroy: () => sleep(100) });
    {
      const lease = await pool.acquire();
      lease.discard();
      const back = lease[Symbol.asyncDispose]();
      const next = pool.acquire();
      await vi.advanceTimersByTimeAsync(99);
      expect(pool).toMatchObject({ size: 1, waiting: 1 });
      await vi.advanceTimersByTimeAsync(1);
      await back;
      expect((await next).value).toBe(2);
    }
    expect(log).toEqual(['created 1', 'created 2']);
  });

  it('takes a lease back once', async () => {
    const { pool } = numbered();
    const lease = await pool.acquire();
    await Promise.all([lease[Symbol.asyncDispose](), lease[Symbol.asyncDispose]()]);
    expect(pool).toMatchObject({ size: 1, idle: 1 });
  });

  it('reports a destroy that fails or hangs, and goes on', async () => {
    const report = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { pool } = numbered({ maxSize: 1, destroy: () => Promise.reject('stuck') });
    const lease = await pool.acquire();
    lease.discard();
    await lease[Symbol.asyncDispose]();
    expect(report).toHaveBeenCalledExactlyOnceWith('stuck');
    expect(pool.size).toBe(0);
    report.mockRestore();
    const events: unknown[] = [];
    using _ = subscribe(({ type, name, data }) => events.push([type, name, data['reason']]));
    const hung = numbered({ name: 'hung', destroy: never });
    const other = await hung.pool.acquire();
    other.discard();
    const back = other[Symbol.asyncDispose]();
    await vi.advanceTimersByTimeAsync(5_000);
    await back;
    expect(events).toContainEqual(['pool.destroy-failed', 'hung', 'discarded']);
  });

  it('closes, drains and ends everything when disposed', async () => {
    const { pool, log } = numbered({ name: 'db', idleMs: Infinity });
    const leases = [await pool.acquire(), await pool.acquire()];
    const waiting = pool.execute((value) => log.push(`used ${value}`));
    expect(await Promise.all([pool.drain({ timeoutMs: 5 }), vi.advanceTimersByTimeAsync(5)])).toMatchObject([
      { drained: false, left: 3 },
      {},
    ]);
    const disposed = pool[Symbol.asyncDispose]();
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'QUEUE_CLOSED', queue: 'db' });
    for (const lease of leases) await lease[Symbol.asyncDispose]();
    await waiting;
    await disposed;
    expect(log.toSorted()).toEqual(['created 1', 'created 2', 'destroyed 1', 'destroyed 2', 'used 1']);
    expect(pool.size).toBe(0);
  });

  it('turns its line away when cancelled', async () => {
    const { pool } = numbered({ maxSize: 1 });
    await pool.acquire();
    const waiting = pool.acquire();
    await vi.advanceTimersByTimeAsync(0);
    pool.cancel('enough');
    await expect(waiting).rejects.toBe('enough');
  });

  it('asks at the door of its service, and lets tracked work in', async () => {
    const owner = {};
    const { pool } = numbered();
    const refusal = new ShuttingDownError('relay');
    pool[ADOPT]({
      owner,
      refusal: (options) => (executionOf(options)?.isOwnedBy(owner) ? undefined : refusal),
      signalAt: () => new AbortController().signal,
    });
    await expect(pool.acquire()).rejects.toBe(refusal);
  });

  it('holds its caller’s slot while work that was given up still has a resource', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const { pool } = numbered();
    let finish: (() => void) | undefined;
    const outcome = semaphore.execute(
      (ctx) => pool.execute(() => new Promise<void>((resolve) => (finish = resolve)), ctx),
      { deadline: Deadline.after(10) },
    );
    const rejected = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT' });
    await vi.advanceTimersByTimeAsync(10);
    await rejected;
    expect(semaphore.inUse).toBe(1);
    finish?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(semaphore.inUse).toBe(0);
  });

  it('never has more than maxSize resources, lends none twice, and ends all, whatever happens', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('acquire' as const), leaves: fc.boolean() }),
      fc.record({ do: fc.constant('return' as const), broken: fc.boolean() }),
      fc.record({ do: fc.constant('wait' as const), forMs: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ do: fc.constant('leave' as const) }),
    );
    const setting = fc.record({
      maxSize: fc.integer({ min: 1, max: 4 }),
      createMs: fc.integer({ min: 0, max: 30 }),
      destroyMs: fc.integer({ min: 0, max: 30 }),
      fails: fc.constantFrom(2, 5, 1_000),
      sickness: fc.constantFrom(2, 4, 1_000),
    });
    await fc.assert(
      fc.asyncProperty(setting, fc.array(step, { maxLength: 60 }), async (given, steps) => {
        const { maxSize, createMs, destroyMs, fails, sickness } = given;
        const alive = new Set<object>();
        const lent = new Set<object>();
        let made = 0;
        let checks = 0;
        let peak = 0;
        const pool = new ResourcePool<object>({
          maxSize,
          minSize: 1,
          idleMs: 50,
          createTimeoutMs: 20,
          create: async () => {
            made += 1;
            const one = { made };
            alive.add(one);
            peak = Math.max(peak, alive.size);
            await sleep(createMs);
            if (one.made % fails !== 0) return one;
            alive.delete(one);
            throw new Error('refused');
          },
          destroy: async (one) => {
            await sleep(destroyMs);
            alive.delete(one);
          },
          check: () => {
            checks += 1;
            return checks % sickness !== 0;
          },
        });
        const leases: Lease<object>[] = [];
        const controllers: AbortController[] = [];
        const outcomes: Promise<void>[] = [];
        const returns: Promise<void>[] = [];
        const giveBack = (lease: Lease<object>): void => {
          lent.delete(lease.value);
          returns.push(Promise.resolve(lease[Symbol.asyncDispose]()));
        };
        const borrow = async (signal: AbortSignal): Promise<void> => {
          const lease = await pool.acquire({ signal }).catch(() => undefined);
          if (lease === undefined) return;
          expect(lent.has(lease.value)).toBe(false);
          lent.add(lease.value);
          leases.push(lease);
        };
        for (const one of steps) {
          if (one.do === 'acquire') {
            const controller = new AbortController();
            if (one.leaves) controllers.push(controller);
            outcomes.push(borrow(controller.signal));
          } else if (one.do === 'return') {
            const lease = leases.shift();
            if (one.broken) lease?.discard();
            if (lease !== undefined) giveBack(lease);
          } else if (one.do === 'leave') controllers.shift()?.abort();
          else await vi.advanceTimersByTimeAsync(one.forMs);
          expect(pool.size).toBeLessThanOrEqual(maxSize);
        }
        const ended = vi.fn();
        const disposed = pool[Symbol.asyncDispose]().finally(ended);
        for (let turn = 0; turn < 1_000 && ended.mock.calls.length === 0; turn += 1) {
          for (const lease of leases.splice(0)) giveBack(lease);
          await vi.advanceTimersByTimeAsync(10);
        }
        expect(ended).toHaveBeenCalled();
        await Promise.all([disposed, ...outcomes, ...returns]);
        expect(peak).toBeLessThanOrEqual(maxSize);
        expect(alive.size).toBe(0);
        expect(pool.size).toBe(0);
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it('rejects bad input by type and by range', async () => {
    const good = { create: () => 1, destroy: () => {}, maxSize: 1 };
    for (const wrong of [
      { create: null },
      { destroy: 1 },
      { check: null },
      { maxSize: '1' },
      { idleMs: null },
      { max: 1 },
    ])
      expect(make({ ...good, ...wrong })).toThrow(TypeError);
    for (const wrong of [
      { maxSize: 0 },
      { maxSize: Infinity },
      { minSize: 2 },
      { minSize: -1 },
      { idleMs: 0 },
      { maxQueue: -1 },
      { maxWaitMs: -1 },
      { createTimeoutMs: 0 },
    ])
      expect(make({ ...good, ...wrong })).toThrow(RangeError);
    const pool = new ResourcePool(good);
    await expect(Reflect.apply(pool.execute.bind(pool), undefined, [null])).rejects.toThrow(TypeError);
    await expect(pool.acquire({ maxWaitMs: -1 })).rejects.toThrow(RangeError);
  });
});
