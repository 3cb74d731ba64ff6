import { describe, expect, it, vi } from 'vitest';
import * as fc from 'fast-check';
import { AdaptiveLimit, Bulkhead, KeyedLimit, Semaphore, ShuttingDownError } from '../../src/index.ts';
import { ADOPT } from '../../src/component.ts';

const one = (): Semaphore => new Semaphore({ maxConcurrent: 1 });
const make = (options: unknown) => () => Reflect.construct(KeyedLimit, [options]);

/** Lets everything happen that only waits for its turn. */
async function settled(): Promise<void> {
  for (let tick = 0; tick < 20; tick += 1) await Promise.resolve();
}

describe('KeyedLimit', { timeout: 60_000 }, () => {
  it('limits each key by itself', async () => {
    const limits = new KeyedLimit({ create: (key) => new Bulkhead({ name: key, maxConcurrent: 1 }) });
    using _ = await limits.acquire('a');
    await expect(limits.execute('a', vi.fn())).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    expect(limits.tryAcquire('a')).toBeUndefined();
    expect(await limits.execute('b', () => 'b')).toBe('b');
    using permit = limits.tryAcquire('c');
    expect(permit).toBeDefined();
    expect(limits.stats()).toMatchObject({ keys: 3, inUse: 2 });
  });

  it('asks for the limit of each key, so that keys may differ', async () => {
    const create = vi.fn((key: string) => new Semaphore({ maxConcurrent: key === 'big' ? 2 : 1 }));
    const limits = new KeyedLimit({ create });
    expect(limits.tryAcquire('big')).toBeDefined();
    expect(limits.tryAcquire('big')).toBeDefined();
    expect(limits.tryAcquire('small')).toBeDefined();
    expect(limits.tryAcquire('small')).toBeUndefined();
    expect(create.mock.calls).toEqual([['big'], ['small']]);
  });

  it('keeps what a limit has learned while it is not in use', async () => {
    const limits = new KeyedLimit({
      create: () => new AdaptiveLimit({ maxConcurrent: 50, initialConcurrent: 2 }),
    });
    for (let round = 0; round < 10; round += 1) {
      await Promise.all([1, 2].map(() => limits.execute('a', async () => {})));
      await settled();
    }
    const permits = Array.from({ length: 50 }, () => limits.tryAcquire('a')).filter(
      (permit) => permit !== undefined,
    );
    expect(permits.length).toBeGreaterThan(2);
  });

  it('drops limits that nobody uses, the least recently used first, and none in use', async () => {
    const create = vi.fn(one);
    const limits = new KeyedLimit({ create, maxKeys: 2 });
    const held = await limits.acquire('held');
    for (const key of ['a', 'b', 'a', 'c']) {
      await limits.execute(key, () => {});
      await settled();
    }
    expect(limits.size).toBe(3);
    create.mockClear();
    await limits.execute('a', () => {});
    await settled();
    expect(create).not.toHaveBeenCalled();
    await limits.execute('b', () => {});
    expect(create).toHaveBeenCalledExactlyOnceWith('b');
    expect(limits.tryAcquire('held')).toBeUndefined();
    held[Symbol.dispose]();
  });

  it('holds no more than maxKeys limits beyond those in use, and exceeds none, whatever comes', async () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      does: fc.constantFrom('start', 'end'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100 }), fc.nat(3), async (steps, maxKeys) => {
        const limits = new KeyedLimit({ create: () => new Semaphore({ maxConcurrent: 2 }), maxKeys });
        const running = new Map<string, (() => void)[]>();
        const all: Promise<unknown>[] = [];
        for (const { key, does } of steps) {
          const ends = running.get(key) ?? [];
          running.set(key, ends);
          if (does === 'end') ends.shift()?.();
          else
            all.push(
              limits.execute(key, () => {
                const work = new Promise<void>((resolve) => ends.push(resolve));
                expect(ends.length).toBeLessThanOrEqual(2);
                return work;
              }),
            );
          await settled();
          const busy = [...running.values()].filter((list) => list.length > 0).length;
          expect(limits.size).toBeLessThanOrEqual(busy + maxKeys);
        }
        limits.close();
        const drained = limits.drain();
        while (limits.stats()['inUse'] !== 0) {
          for (const ends of running.values()) ends.shift()?.();
          await settled();
        }
        await Promise.all(all);
        expect(await drained).toMatchObject({ drained: true });
        expect(limits.size).toBeLessThanOrEqual(maxKeys);
      }),
      { numRuns: 200 },
    );
  });

  it('closes, drains and cancels as a whole', async () => {
    const limits = new KeyedLimit({ name: 'tenants', create: one });
    const permits = [await limits.acquire('a'), await limits.acquire('b')];
    const waiting = ['a', 'b'].map((key) => limits.execute(key, vi.fn()));
    expect(await limits.drain({ timeoutMs: 1 })).toEqual({ drained: false, left: 4, leaked: [] });
    limits.cancel('enough');
    for (const outcome of waiting) await expect(outcome).rejects.toBe('enough');
    const disposed = limits[Symbol.asyncDispose]();
    await expect(limits.execute('c', vi.fn())).rejects.toMatchObject({
      code: 'QUEUE_CLOSED',
      queue: 'tenants',
    });
    expect(limits.tryAcquire('c')).toBeUndefined();
    for (const permit of permits) permit[Symbol.dispose]();
    await disposed;
  });

  it('asks at the door of its service', async () => {
    const refusal = new ShuttingDownError('relay');
    const limits = new KeyedLimit({ create: one });
    limits[ADOPT]({ owner: {}, refusal: () => refusal, signalAt: () => new AbortController().signal });
    await expect(limits.execute('a', vi.fn())).rejects.toBe(refusal);
    await expect(limits.acquire('a')).rejects.toBe(refusal);
    expect(limits.tryAcquire('a')).toBeUndefined();
    expect(limits.size).toBe(0);
  });

  it('hands an error of create to the caller, and keeps nothing', async () => {
    const limits = new KeyedLimit({
      create: (key) => {
        throw new Error(key);
      },
    });
    await expect(limits.execute('a', vi.fn())).rejects.toThrow('a');
    expect(limits.size).toBe(0);
  });

  it('rejects bad input by type and by range', async () => {
    for (const options of [
      null,
      {},
      { create: null },
      { create: one, maxKeys: '1' },
      { create: one, keys: 1 },
    ])
      expect(make(options)).toThrow(TypeError);
    expect(make({ create: one, maxKeys: -1 })).toThrow(RangeError);
    const limits = new KeyedLimit({ create: one });
    await expect(Reflect.apply(limits.execute.bind(limits), undefined, [1, vi.fn()])).rejects.toThrow(
      TypeError,
    );
    const wrong = Reflect.construct(KeyedLimit, [{ create: () => ({}) }]) as KeyedLimit;
    await expect(wrong.acquire('a')).rejects.toThrow(TypeError);
  });
});
