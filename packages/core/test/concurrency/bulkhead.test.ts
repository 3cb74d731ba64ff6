import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bulkhead, Deadline, Semaphore, subscribe } from '../../src/index.ts';

const make = (options: object) => () => new Bulkhead({ maxConcurrent: 1, ...options });
const never = (): Promise<never> => new Promise(() => {});

describe('Bulkhead', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('refuses at once when all slots are taken, where no line is asked for', async () => {
    const bulkhead = new Bulkhead({ name: 'search', maxConcurrent: 1 });
    void bulkhead.execute(never);
    const work = vi.fn();
    const full = { code: 'BULKHEAD_FULL', limit: 1, queued: 0, retryable: true };
    await expect(bulkhead.execute(work)).rejects.toMatchObject(full);
    await expect(bulkhead.acquire()).rejects.toMatchObject(full);
    expect(work).not.toHaveBeenCalled();
    expect(bulkhead).toBeInstanceOf(Semaphore);
  });

  it('lets maxQueue calls wait, in order, and refuses the next', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 2 });
    const permit = await bulkhead.acquire();
    const order: number[] = [];
    const waiting = [1, 2].map((index) => bulkhead.execute(async () => order.push(index)));
    await expect(bulkhead.execute(async () => order.push(3))).rejects.toMatchObject({ queued: 2 });
    permit[Symbol.dispose]();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2]);
  });

  it('refuses who has waited as long as it may, by its own time or by that of the bulkhead', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 5, maxWaitMs: 50 });
    using _ = await bulkhead.acquire();
    const full = { code: 'BULKHEAD_FULL' };
    const told: string[] = [];
    const outcomes = [
      expect(bulkhead.acquire().finally(() => told.push('default'))).rejects.toMatchObject(full),
      expect(bulkhead.acquire({ maxWaitMs: 20 }).finally(() => told.push('own'))).rejects.toMatchObject(full),
      expect(bulkhead.acquire({ maxWaitMs: 0 }).finally(() => told.push('now'))).rejects.toMatchObject(full),
      expect(
        bulkhead.acquire({ deadline: Deadline.after(10) }).finally(() => told.push('deadline')),
      ).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' }),
    ];
    await vi.advanceTimersByTimeAsync(50);
    await Promise.all(outcomes);
    expect(told).toEqual(['now', 'deadline', 'own', 'default']);
  });

  it('stays full while a call that has timed out still runs', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    let settle: (() => void) | undefined;
    const hung = bulkhead.execute(() => new Promise<void>((resolve) => (settle = resolve)), {
      deadline: Deadline.after(10),
    });
    const rejection = expect(hung).rejects.toMatchObject({ code: 'TIMEOUT' });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    await expect(bulkhead.execute(async () => 'next')).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    expect(bulkhead.stats()).toMatchObject({ inUse: 1, zombies: 1 });
    settle?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(await bulkhead.execute(async () => 'next')).toBe('next');
  });

  it('frees the slot at the time-out where asked to, and counts what runs beyond the limit', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, freeOnTimeout: true });
    let settle: (() => void) | undefined;
    const hung = bulkhead.execute(() => new Promise<void>((resolve) => (settle = resolve)), {
      deadline: Deadline.after(10),
    });
    const rejection = expect(hung).rejects.toMatchObject({ code: 'TIMEOUT' });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    expect(await bulkhead.execute(async () => 'next')).toBe('next');
    expect(bulkhead.stats()).toMatchObject({ inUse: 0, zombies: 1 });
    settle?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(bulkhead.stats()).toMatchObject({ inUse: 0, zombies: 0 });
  });

  it('tells the bus of every refusal', async () => {
    const events: unknown[] = [];
    using _ = subscribe(({ type, name, data }) => events.push({ type, name, data }));
    const bulkhead = new Bulkhead({ name: 'search', maxConcurrent: 1 });
    void bulkhead.execute(never);
    await expect(bulkhead.execute(never)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    expect(events).toEqual([{ type: 'bulkhead.rejected', name: 'search', data: { limit: 1, queued: 0 } }]);
  });

  it('rejects bad options by type and by range', () => {
    for (const options of [{ maxQueue: '1' }, { maxWaitMs: null }, { freeOnTimeout: 1 }, { queue: 1 }])
      expect(make(options)).toThrow(TypeError);
    for (const options of [{ maxQueue: -1 }, { maxQueue: 1.5 }, { maxWaitMs: -1 }, { maxConcurrent: 0 }])
      expect(make(options)).toThrow(RangeError);
    expect(make({ maxQueue: Infinity, maxWaitMs: Infinity })).not.toThrow();
  });
});
