import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BoundedQueue, Deadline, QueueClosedError, QueueFullError } from '../../src/index.ts';
import { values, watch } from './watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets promises settle, without moving the clock. */
const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('BoundedQueue: put and take', () => {
  it('gives items in the order they were put', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    await queue.put(1);
    await queue.put(2);
    expect(queue.tryPut(3)).toBe(true);
    expect(queue.size).toBe(3);
    expect((await queue.take()).value).toBe(1);
    expect(queue.tryTake()?.value).toBe(2);
    expect((await queue.take()).value).toBe(3);
    expect(queue.tryTake()).toBeUndefined();
  });

  it('resolves a put on admission, and lets it wait while the queue is full', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    await queue.put(1);
    const second = watch(queue.put(2));
    const third = watch(queue.put(3));
    await settled();
    expect([second.outcome, third.outcome]).toEqual(['pending', 'pending']);
    expect(queue.size).toBe(1);
    await queue.take();
    await settled();
    expect([second.outcome, third.outcome]).toEqual([{ value: undefined }, 'pending']);
    expect(queue.size).toBe(1);
    expect(values([await queue.take(), await queue.take()])).toEqual([2, 3]);
    await settled();
    expect(third.outcome).toEqual({ value: undefined });
  });

  it('hands an item to the taker who has waited longest', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    const takes = [queue.take(), queue.take(), queue.take()];
    for (const item of ['a', 'b', 'c']) await queue.put(item);
    expect(values(await Promise.all(takes))).toEqual(['a', 'b', 'c']);
    expect(queue.size).toBe(0);
  });

  it('takes undefined for an item like any other', async () => {
    const queue = new BoundedQueue<undefined>({ capacity: 2 });
    await queue.put(undefined);
    expect(queue.tryTake()).toMatchObject({ value: undefined });
    const take = queue.take();
    queue.tryPut(undefined);
    expect((await take).value).toBeUndefined();
  });

  it('says when an item was admitted and how long it was in the queue, counted from its admission', async () => {
    vi.setSystemTime(new Date('2030-01-01T00:00:00Z'));
    const queue = new BoundedQueue<string>({ capacity: 1 });
    await queue.put('a');
    const blocked = queue.put('b');
    await vi.advanceTimersByTimeAsync(500);
    const a = await queue.take();
    await blocked;
    await vi.advanceTimersByTimeAsync(200);
    const b = await queue.take();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(a.queueDelayMs).toBe(500);
    expect(a.enqueuedAt).toEqual(new Date('2030-01-01T00:00:00.000Z'));
    expect(b.queueDelayMs).toBe(200);
    expect(b.enqueuedAt).toEqual(new Date('2030-01-01T00:00:00.500Z'));
    expect(b.enqueuedAt).toBe(b.enqueuedAt);
    expect(JSON.parse(JSON.stringify(b))).toEqual({
      value: 'b',
      enqueuedAt: '2030-01-01T00:00:00.500Z',
      queueDelayMs: 200,
    });
  });

  it('holds without bound where the capacity is Infinity', async () => {
    const queue = new BoundedQueue<number>({ capacity: Infinity });
    for (let i = 0; i < 5_000; i += 1) expect(queue.tryPut(i)).toBe(true);
    const batch = await queue.takeBatch({ max: 10_000 });
    expect(values(batch)).toEqual(Array.from({ length: 5_000 }, (_, index) => index));
    expect(queue.size).toBe(0);
  });
});

describe('BoundedQueue: rendezvous at capacity 0', () => {
  it('resolves a put only when a taker has the item', async () => {
    const queue = new BoundedQueue<string>({ capacity: 0 });
    const put = watch(queue.put('a'));
    await settled();
    expect(put.outcome).toBe('pending');
    expect(queue.size).toBe(0);
    expect((await queue.take()).value).toBe('a');
    await settled();
    expect(put.outcome).toEqual({ value: undefined });
  });

  it('gives the item at once to one who waits', async () => {
    const queue = new BoundedQueue<string>({ capacity: 0 });
    expect(queue.tryPut('nobody there')).toBe(false);
    const take = queue.take();
    expect(queue.tryPut('a')).toBe(true);
    expect(await take).toMatchObject({ value: 'a', queueDelayMs: 0 });
  });

  it('takes a batch from those who wait to put', async () => {
    const queue = new BoundedQueue<string>({ capacity: 0 });
    const puts = [queue.put('a'), queue.put('b'), queue.put('c')];
    expect(values(await queue.takeBatch({ max: 2 }))).toEqual(['a', 'b']);
    await Promise.all(puts.slice(0, 2));
    expect(queue.tryTake()?.value).toBe('c');
    await puts[2];
  });
});

describe('BoundedQueue: waits that end early', () => {
  it('rejects a put with QueueFullError after maxWaitMs, and at once with 0', async () => {
    const queue = new BoundedQueue<number>({ name: 'mail', capacity: 1 });
    await queue.put(1);
    await expect(queue.put(2, { maxWaitMs: 0 })).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      queue: 'mail',
      capacity: 1,
    });
    const put = watch(queue.put(3, { maxWaitMs: 250 }));
    await vi.advanceTimersByTimeAsync(249);
    expect(put.outcome).toBe('pending');
    await vi.advanceTimersByTimeAsync(1);
    expect(put.outcome).toEqual({ error: expect.any(QueueFullError) });
    expect(queue.stats().waitingPutters).toBe(0);
  });

  it('rejects a take with a TimeoutError of kind wait after maxWaitMs, and at once with 0', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    await expect(queue.take({ maxWaitMs: 0 })).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'wait' });
    const take = watch(queue.take({ maxWaitMs: 250 }));
    await vi.advanceTimersByTimeAsync(250);
    expect(take.outcome).toMatchObject({ error: { code: 'TIMEOUT', kind: 'wait', timeoutMs: 250 } });
    await queue.put(1);
    expect((await queue.take({ maxWaitMs: 0 })).value).toBe(1);
  });

  it('rejects with a TimeoutError of kind deadline once a deadline has passed', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const passed = { deadline: Deadline.after(0) };
    const expected = { code: 'TIMEOUT', kind: 'deadline' };
    await expect(queue.put(1, passed)).rejects.toMatchObject(expected);
    await expect(queue.take(passed)).rejects.toMatchObject(expected);
    await expect(queue.takeBatch({ max: 1, ...passed })).rejects.toMatchObject(expected);
    expect(queue.size).toBe(0);
    const take = watch(queue.take({ deadline: Deadline.after(50) }));
    await queue.put(1);
    const takeLate = watch(queue.take({ deadline: Deadline.after(50), maxWaitMs: 100 }));
    await vi.advanceTimersByTimeAsync(50);
    expect(take.outcome).toMatchObject({ value: { value: 1 } });
    expect(takeLate.outcome).toMatchObject({ error: expected });
  });

  it('rejects with the abort reason itself, at once, also where the signal was aborted before', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const take = watch(queue.take({ signal }));
    const batch = watch(queue.takeBatch({ max: 2, signal }));
    controller.abort('left');
    await settled();
    expect(take.outcome).toEqual({ error: 'left' });
    expect(batch.outcome).toEqual({ error: 'left' });
    await queue.put('a');
    await expect(queue.put('b', { signal })).rejects.toBe('left');
    await expect(queue.take({ signal })).rejects.toBe('left');
    await expect(queue.takeBatch({ max: 1, signal })).rejects.toBe('left');
    expect(queue.size).toBe(1);
  });

  it('never admits the item of an aborted put', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    await queue.put('a');
    const controller = new AbortController();
    const aborted = watch(queue.put('b', { signal: controller.signal }));
    const patient = queue.put('c');
    controller.abort('left');
    await settled();
    expect(aborted.outcome).toEqual({ error: 'left' });
    expect((await queue.take()).value).toBe('a');
    await patient;
    expect((await queue.take()).value).toBe('c');
  });

  it('leaves the item of an aborted take to the next taker', async () => {
    const queue = new BoundedQueue<string>({ capacity: 1 });
    const controller = new AbortController();
    const first = watch(queue.take({ signal: controller.signal }));
    const second = queue.take();
    controller.abort('left');
    await queue.put('a');
    expect((await second).value).toBe('a');
    expect(first.outcome).toEqual({ error: 'left' });
  });

  it('leaves no listener on a signal that outlives ten thousand waits, and one while many wait', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const takes = Array.from({ length: 10_000 }, () => queue.take({ signal, maxWaitMs: 5_000 }));
    expect(added).toHaveBeenCalledTimes(1);
    for (let i = 0; i < 10_000; i += 1) queue.tryPut(i);
    expect((await Promise.all(takes)).length).toBe(10_000);
    expect(removed).toHaveBeenCalledTimes(1);
    const late = watch(Promise.all(Array.from({ length: 10_000 }, () => queue.take({ signal }))));
    expect(added).toHaveBeenCalledTimes(2);
    controller.abort('left');
    await settled();
    expect(late.outcome).toEqual({ error: 'left' });
    expect(removed).toHaveBeenCalledTimes(2);
    expect(queue.stats().waitingTakers).toBe(0);
  });
});

describe('BoundedQueue: takeBatch', () => {
  it('takes the first batch to be had where no time is given', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5 });
    const waiting = queue.takeBatch({ max: 3 });
    await queue.put(1);
    expect(values(await waiting)).toEqual([1]);
    for (const item of [2, 3, 4, 5]) await queue.put(item);
    expect(values(await queue.takeBatch({ max: 3 }))).toEqual([2, 3, 4]);
    expect(values(await queue.takeBatch({ max: 3 }))).toEqual([5]);
  });

  it('waits for max items where a time is given', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5 });
    const batch = watch(queue.takeBatch({ max: 3, maxWaitMs: 1_000 }).then(values));
    await queue.put(1);
    await queue.put(2);
    await vi.advanceTimersByTimeAsync(999);
    expect(batch.outcome).toBe('pending');
    await queue.put(3);
    await settled();
    expect(batch.outcome).toEqual({ value: [1, 2, 3] });
  });

  it('gives what there is when the time is over, even nothing', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5 });
    await queue.put(1);
    const batch = watch(queue.takeBatch({ max: 3, maxWaitMs: 1_000 }).then(values));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(batch.outcome).toEqual({ value: [1] });
    const empty = watch(queue.takeBatch({ max: 3, maxWaitMs: 1_000 }));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(empty.outcome).toEqual({ value: [] });
    expect(await queue.takeBatch({ max: 3, maxWaitMs: 0 })).toEqual([]);
    await queue.put(2);
    expect(values(await queue.takeBatch({ max: 3, maxWaitMs: 0 }))).toEqual([2]);
  });

  it('is complete when the queue is full, and takes from those who wait to put too', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    const batch = queue.takeBatch({ max: 10, maxWaitMs: 1_000 });
    const puts = [1, 2, 3].map((item) => queue.put(item));
    expect(values(await batch)).toEqual([1, 2]);
    puts.push(queue.put(4), queue.put(5));
    expect(values(await queue.takeBatch({ max: 2, maxWaitMs: 1_000 }))).toEqual([3, 4]);
    expect(values(await queue.takeBatch({ max: 10 }))).toEqual([5]);
    await Promise.all(puts);
  });

  it('lets nobody overtake a batch that waits, and gives the next their turn when it leaves', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5 });
    const controller = new AbortController();
    const batch = watch(queue.takeBatch({ max: 3, maxWaitMs: 1_000, signal: controller.signal }));
    const single = watch(queue.take());
    await queue.put(1);
    await queue.put(2);
    expect(queue.tryTake()).toBeUndefined();
    expect(single.outcome).toBe('pending');
    controller.abort('left');
    await settled();
    expect(batch.outcome).toEqual({ error: 'left' });
    expect(single.outcome).toMatchObject({ value: { value: 1 } });
    expect(queue.tryTake()?.value).toBe(2);
  });

  it('gives what there is when the queue closes, and rejects where there is nothing', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5 });
    const batch = queue.takeBatch({ max: 3, maxWaitMs: 1_000 });
    const behind = watch(queue.takeBatch({ max: 3, maxWaitMs: 1_000 }));
    await queue.put(1);
    queue.close();
    expect(values(await batch)).toEqual([1]);
    await settled();
    expect(behind.outcome).toEqual({ error: expect.any(QueueClosedError) });
    await expect(queue.takeBatch({ max: 3, maxWaitMs: 0 })).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('waits for no more than there is in a closed queue', async () => {
    const queue = new BoundedQueue<number>({ capacity: 5 });
    await queue.put(1);
    queue.close();
    expect(values(await queue.takeBatch({ max: 3, maxWaitMs: 1_000 }))).toEqual([1]);
  });

  it('leaves the items where they are when it is aborted', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    const controller = new AbortController();
    const batch = watch(queue.takeBatch({ max: 3, maxWaitMs: 1_000, signal: controller.signal }));
    await queue.put(1);
    await queue.put(2);
    controller.abort('left');
    await settled();
    expect(batch.outcome).toEqual({ error: 'left' });
    expect(queue.size).toBe(2);
    expect(values(await queue.takeBatch({ max: 3 }))).toEqual([1, 2]);
  });
});
