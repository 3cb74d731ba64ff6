import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AsyncLocalStorage } from 'node:async_hooks';
import { BoundedQueue, subscribe, type HoldfastEvent } from '../../src/index.ts';
import { values, watch } from './watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const silent = (): void => {};

describe('BoundedQueue: overflow', () => {
  it('rejects at once under reject', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1, overflow: 'reject' });
    await queue.put(1);
    await expect(queue.put(2)).rejects.toMatchObject({ code: 'QUEUE_FULL', capacity: 1 });
    await expect(queue.put(2, { maxWaitMs: 1_000 })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(queue.tryPut(2)).toBe(false);
    expect(queue.stats()).toMatchObject({ depth: 1, dropped: 0, waitingPutters: 0 });
  });

  it('drops the newest and resolves its put under drop-newest', async () => {
    const onDrop = vi.fn();
    const queue = new BoundedQueue<number>({ capacity: 2, overflow: 'drop-newest', onDrop });
    for (const item of [1, 2, 3]) await queue.put(item);
    expect(queue.tryPut(4)).toBe(false);
    expect(onDrop.mock.calls).toEqual([
      [3, 'overflow'],
      [4, 'overflow'],
    ]);
    expect(queue.stats()).toMatchObject({ depth: 2, dropped: 2 });
    expect(values(await queue.takeBatch({ max: 5 }))).toEqual([1, 2]);
  });

  it('drops the oldest and admits the newest under drop-oldest', async () => {
    const onDrop = vi.fn();
    const queue = new BoundedQueue<number>({ capacity: 2, overflow: 'drop-oldest', onDrop });
    for (const item of [1, 2, 3]) await queue.put(item);
    expect(queue.tryPut(4)).toBe(true);
    expect(onDrop.mock.calls).toEqual([
      [1, 'overflow'],
      [2, 'overflow'],
    ]);
    expect(values(await queue.takeBatch({ max: 5 }))).toEqual([3, 4]);
  });

  it.each(['drop-newest', 'drop-oldest'] as const)(
    'drops the newest at capacity 0 under %s',
    async (overflow) => {
      const onDrop = vi.fn();
      const queue = new BoundedQueue<number>({ capacity: 0, overflow, onDrop });
      await queue.put(1);
      expect(onDrop).toHaveBeenCalledExactlyOnceWith(1, 'overflow');
      const take = queue.take();
      await queue.put(2);
      expect((await take).value).toBe(2);
      expect(onDrop).toHaveBeenCalledTimes(1);
    },
  );

  it.each(['wait', 'reject', 'drop-newest', 'drop-oldest'] as const)(
    'gives the item to one who waits rather than apply %s',
    async (overflow) => {
      const queue = new BoundedQueue<number>({ capacity: 1, overflow, onDrop: silent });
      const takes = [queue.take(), queue.take()];
      await queue.put(1);
      await queue.put(2);
      await queue.put(3);
      expect(values(await Promise.all(takes))).toEqual([1, 2]);
      expect(queue.stats()).toMatchObject({ depth: 1, dropped: 0 });
    },
  );

  it('warns once per episode without onDrop, which ends when the takers have caught up', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(silent);
    const queue = new BoundedQueue<number>({ name: 'mail', capacity: 2, overflow: 'drop-newest' });
    for (let item = 0; item < 100; item += 1) queue.tryPut(item);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toContain('Queue "mail" is full and drops items');
    queue.tryTake();
    queue.tryPut(1);
    queue.tryPut(2);
    expect(warn).toHaveBeenCalledTimes(1);
    queue.tryTake();
    queue.tryTake();
    for (let item = 0; item < 100; item += 1) queue.tryPut(item);
    expect(warn).toHaveBeenCalledTimes(2);
    expect(queue.stats().dropped).toBe(98 + 1 + 98);
  });

  it('reports drops as events', () => {
    const events: HoldfastEvent[] = [];
    using subscription = subscribe((event) => events.push(event));
    void subscription;
    const queue = new BoundedQueue<number>({
      name: 'mail',
      capacity: 1,
      overflow: 'drop-oldest',
      onDrop: silent,
    });
    queue.tryPut(1);
    queue.tryPut(2);
    expect(events).toMatchObject([
      { type: 'queue.dropped', name: 'mail', data: { why: 'overflow', count: 1 } },
    ]);
  });

  it('calls onDrop with its state committed, so that it may use the queue', async () => {
    const sizes: number[] = [];
    const queue: BoundedQueue<number> = new BoundedQueue<number>({
      capacity: 2,
      overflow: 'drop-oldest',
      onDrop: () => {
        sizes.push(queue.size);
        queue.tryTake();
      },
    });
    for (const item of [1, 2, 3]) await queue.put(item);
    expect(sizes).toEqual([2]);
    expect(queue.tryTake()?.value).toBe(3);
  });

  it('reports what onDrop throws and goes on', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(silent);
    const queue = new BoundedQueue<number>({
      capacity: 1,
      overflow: 'drop-newest',
      onDrop: (value) => {
        throw new Error(`no use for ${value}`);
      },
    });
    await queue.put(1);
    await queue.put(2);
    expect(error).toHaveBeenCalledExactlyOnceWith(new Error('no use for 2'));
    expect(queue.size).toBe(1);
  });

  it('calls onDrop in the asynchronous context of whoever made the queue', () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const queue = storage.run(
      'maker',
      () =>
        new BoundedQueue<number>({
          capacity: 0,
          overflow: 'drop-newest',
          onDrop: () => seen.push(storage.getStore()),
        }),
    );
    storage.run('putter', () => queue.tryPut(1));
    expect(seen).toEqual(['maker']);
  });
});

describe('BoundedQueue: maxQueueDelayMs', () => {
  it('drops what waited longer in place of giving it to a taker', async () => {
    const onDrop = vi.fn();
    const queue = new BoundedQueue<string>({ capacity: 5, maxQueueDelayMs: 100, onDrop });
    await queue.put('old');
    await queue.put('older than it looks');
    await vi.advanceTimersByTimeAsync(60);
    await queue.put('young');
    await vi.advanceTimersByTimeAsync(41);
    expect(queue.size).toBe(3);
    expect(await queue.take()).toMatchObject({ value: 'young', queueDelayMs: 41 });
    expect(onDrop.mock.calls).toEqual([
      ['old', 'expired'],
      ['older than it looks', 'expired'],
    ]);
    expect(queue.stats()).toMatchObject({ depth: 0, dropped: 2 });
  });

  it('gives an item that waited exactly as long', async () => {
    const queue = new BoundedQueue<string>({ capacity: 5, maxQueueDelayMs: 100, onDrop: silent });
    await queue.put('just in time');
    await vi.advanceTimersByTimeAsync(100);
    expect(queue.tryTake()).toMatchObject({ value: 'just in time', queueDelayMs: 100 });
  });

  it('never answers a take with an expired item: the take waits on', async () => {
    const queue = new BoundedQueue<string>({ capacity: 5, maxQueueDelayMs: 100, onDrop: silent });
    await queue.put('old');
    await vi.advanceTimersByTimeAsync(101);
    expect(queue.tryTake()).toBeUndefined();
    await queue.put('old');
    await vi.advanceTimersByTimeAsync(101);
    const take = watch(queue.take());
    expect(take.outcome).toBe('pending');
    await queue.put('young');
    await vi.advanceTimersByTimeAsync(0);
    expect(take.outcome).toMatchObject({ value: { value: 'young' } });
  });

  it('makes room for a new item by what has expired, under every policy', async () => {
    const onDrop = vi.fn();
    const queue = new BoundedQueue<string>({ capacity: 1, overflow: 'reject', maxQueueDelayMs: 100, onDrop });
    await queue.put('old');
    await expect(queue.put('too soon')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await vi.advanceTimersByTimeAsync(101);
    await queue.put('young');
    expect(onDrop).toHaveBeenCalledExactlyOnceWith('old', 'expired');
    expect(queue.tryTake()?.value).toBe('young');
  });

  it('lets those in who wait for room when items expire', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1, maxQueueDelayMs: 100, onDrop: silent });
    await queue.put('old');
    const put = watch(queue.put('blocked'));
    await vi.advanceTimersByTimeAsync(101);
    expect((await queue.take()).value).toBe('blocked');
    expect(put.outcome).toEqual({ value: undefined });
  });

  it('keeps expired items out of a batch, and a batch that waits for so many waits on', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5, maxQueueDelayMs: 100, onDrop: silent });
    await queue.put(1);
    const batch = watch(queue.takeBatch({ max: 2, maxWaitMs: 1_000 }).then(values));
    await vi.advanceTimersByTimeAsync(101);
    await queue.put(2);
    await vi.advanceTimersByTimeAsync(0);
    expect(batch.outcome).toBe('pending');
    await queue.put(3);
    await vi.advanceTimersByTimeAsync(0);
    expect(batch.outcome).toEqual({ value: [2, 3] });
  });

  it('ends the takes of a closed queue whose last items expired', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5, maxQueueDelayMs: 100, onDrop: silent });
    await queue.put(1);
    queue.close();
    await vi.advanceTimersByTimeAsync(101);
    await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    const drained = await queue.drain();
    expect(drained).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('warns once of expired items until one is taken in time and none is left', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(silent);
    const queue = new BoundedQueue<number>({ capacity: 5, maxQueueDelayMs: 100 });
    for (let round = 0; round < 3; round += 1) {
      queue.tryPut(round);
      await vi.advanceTimersByTimeAsync(101);
      queue.tryTake();
    }
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toContain('drops items that waited too long');
    queue.tryPut(1);
    queue.tryTake();
    queue.tryPut(1);
    await vi.advanceTimersByTimeAsync(101);
    queue.tryTake();
    expect(warn).toHaveBeenCalledTimes(2);
  });
});

describe('BoundedQueue: lifoWhenDelayAboveMs', () => {
  it('takes the newest first while the oldest is older', async () => {
    const queue = new BoundedQueue<number>({ capacity: 10, lifoWhenDelayAboveMs: 100 });
    for (const item of [1, 2, 3]) await queue.put(item);
    expect(queue.tryTake()?.value).toBe(1);
    await vi.advanceTimersByTimeAsync(101);
    await queue.put(4);
    expect(queue.tryTake()?.value).toBe(4);
    expect(queue.tryTake()?.value).toBe(3);
    expect(queue.tryTake()?.value).toBe(2);
    await queue.put(5);
    await queue.put(6);
    expect(queue.tryTake()?.value).toBe(5);
  });

  it('lets the oldest expire meanwhile', async () => {
    const onDrop = vi.fn();
    const queue = new BoundedQueue<number>({
      capacity: 10,
      lifoWhenDelayAboveMs: 100,
      maxQueueDelayMs: 200,
      onDrop,
    });
    await queue.put(1);
    await vi.advanceTimersByTimeAsync(150);
    await queue.put(2);
    expect(queue.tryTake()?.value).toBe(2);
    await vi.advanceTimersByTimeAsync(51);
    await queue.put(3);
    expect(queue.tryTake()?.value).toBe(3);
    expect(onDrop).toHaveBeenCalledExactlyOnceWith(1, 'expired');
  });
});
