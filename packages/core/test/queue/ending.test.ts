import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BoundedQueue, Deadline, QueueClosedError, subscribe, type HoldfastEvent } from '../../src/index.ts';
import { defer, values, watch } from './watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const make = (options: unknown) => (): unknown => new BoundedQueue(options as { capacity: number });
const bad = (options: object): never => options as never;
const closed = { error: expect.any(QueueClosedError) };

describe('BoundedQueue: async iteration', () => {
  it('gives item after item until the queue is closed and empty', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    const seen: number[] = [];
    const reader = (async () => {
      for await (const { value } of queue) seen.push(value);
      return 'ended';
    })();
    for (const item of [1, 2, 3, 4]) await queue.put(item);
    queue.close();
    expect(await reader).toBe('ended');
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('throws what the queue failed with, after the items inside', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    await queue.put(1);
    queue.fail(new Error('broken'));
    const seen: number[] = [];
    const reader = (async () => {
      for await (const { value } of queue) seen.push(value);
    })();
    await expect(reader).rejects.toThrow('broken');
    expect(seen).toEqual([1]);
  });

  it('leaves everything else inside when the loop is left early', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    for (const item of [1, 2, 3]) await queue.put(item);
    for await (const { value } of queue) if (value === 2) break;
    expect(queue.tryTake()?.value).toBe(3);
  });

  it('ends a step that waits when the iterator is told to return, and takes nothing after that', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    const iterator = queue[Symbol.asyncIterator]();
    const step = watch(iterator.next());
    const end = { done: true, value: undefined };
    expect(await iterator.return?.()).toEqual(end);
    await queue.put(1);
    expect(step.outcome).toEqual({ value: end });
    expect(await iterator.next()).toEqual(end);
    expect(queue.size).toBe(1);
  });

  it('serves several iterators in turn, each item once', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      for await (const { value } of queue) seen.push(value);
    };
    const readers = [read(), read(), read()];
    for (let item = 0; item < 100; item += 1) await queue.put(item);
    queue.close();
    await Promise.all(readers);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, item) => item));
  });
});

describe('BoundedQueue: close', () => {
  it('rejects new and waiting puts, and still delivers what is inside', async () => {
    const queue = new BoundedQueue<number>({ name: 'mail', capacity: 1 });
    await queue.put(1);
    const blocked = watch(queue.put(2));
    queue.close();
    queue.close();
    await settled();
    expect(queue.closed).toBe(true);
    expect(blocked.outcome).toEqual(closed);
    await expect(queue.put(3)).rejects.toMatchObject({
      code: 'QUEUE_CLOSED',
      queue: 'mail',
      retryable: false,
    });
    expect(queue.tryPut(3)).toBe(false);
    expect((await queue.take()).value).toBe(1);
    await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    expect(queue.tryTake()).toBeUndefined();
  });

  it('rejects all who wait to take from an empty queue', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const takes = [queue.take(), queue.take({ maxWaitMs: 50 }), queue.takeBatch({ max: 3 })].map((take) =>
      watch<unknown>(take),
    );
    queue.close();
    await settled();
    expect(takes.map(({ outcome }) => outcome)).toEqual([closed, closed, closed]);
  });
});

describe('BoundedQueue: fail', () => {
  it('rejects blocked and new puts with the error, and takes after the items inside', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const error = new Error('broken');
    await queue.put(1);
    const blocked = watch(queue.put(2));
    queue.fail(error);
    await settled();
    expect(blocked.outcome).toEqual({ error });
    await expect(queue.put(3)).rejects.toBe(error);
    expect((await queue.take()).value).toBe(1);
    await expect(queue.take()).rejects.toBe(error);
    await expect(queue.takeBatch({ max: 1 })).rejects.toBe(error);
    expect(queue.health()).toEqual({ status: 'down', detail: 'the queue failed' });
  });

  it('decides once how a queue ended: what is closed does not fail, what failed is not closed', async () => {
    const error = new Error('broken');
    const first = new BoundedQueue<number>({ capacity: 1 });
    first.close();
    first.fail(error);
    await expect(first.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
    const second = new BoundedQueue<number>({ capacity: 1 });
    second.fail(error);
    second.close();
    await expect(second.take()).rejects.toBe(error);
  });

  it('fails with anything, even undefined', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const take = watch(queue.take());
    queue.fail(undefined);
    await settled();
    expect(take.outcome).toEqual({ error: undefined });
  });
});

describe('BoundedQueue: discard', () => {
  it('hands back what is inside', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    for (const item of [1, 2, 3]) await queue.put(item);
    queue.close();
    expect(queue.discard()).toEqual([1, 2, 3]);
    expect(queue.size).toBe(0);
    expect(queue.stats().dropped).toBe(0);
    await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('lets puts in that wait for room, on an open queue', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    const puts = [1, 2, 3, 4, 5].map((item) => watch(queue.put(item)));
    expect(queue.discard()).toEqual([1, 2]);
    await settled();
    expect(puts.map(({ outcome }) => outcome)).toEqual([
      ...Array.from({ length: 4 }, () => ({ value: undefined })),
      'pending',
    ]);
    expect(values(await queue.takeBatch({ max: 5 }))).toEqual([3, 4, 5]);
  });

  it('lets a drain end', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    await queue.put(1);
    const drain = watch(queue.drain());
    queue.discard();
    await settled();
    expect(drain.outcome).toEqual({ value: { drained: true, left: 0, leaked: [] } });
  });
});

describe('BoundedQueue: drain', () => {
  it('resolves when the queue is empty and no consumer has an item in hand, and closes nothing', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    const work = defer();
    await queue.put(1);
    await queue.put(2);
    const drain = watch(queue.drain());
    queue.consume(() => work.promise, { concurrency: 2 });
    await settled();
    expect([queue.size, drain.outcome]).toEqual([0, 'pending']);
    work.resolve();
    await settled();
    expect(drain.outcome).toEqual({ value: { drained: true, left: 0, leaked: [] } });
    expect(queue.closed).toBe(false);
    expect(await queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('resolves after timeoutMs with what is left', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    queue.consume(() => new Promise(() => {}));
    for (const item of [1, 2, 3]) await queue.put(item);
    await settled();
    const drain = watch(queue.drain({ timeoutMs: 100 }));
    await vi.advanceTimersByTimeAsync(100);
    const report = { drained: false, left: 3, leaked: [] };
    expect(drain.outcome).toEqual({ value: report });
    expect(await queue.drain({ timeoutMs: 0 })).toEqual(report);
  });

  it('rejects with the abort reason, or when its deadline passes', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    await queue.put(1);
    const controller = new AbortController();
    const aborted = watch(queue.drain({ signal: controller.signal }));
    const late = watch(queue.drain({ deadline: Deadline.after(50) }));
    controller.abort('left');
    await vi.advanceTimersByTimeAsync(50);
    expect(aborted.outcome).toEqual({ error: 'left' });
    expect(late.outcome).toMatchObject({ error: { code: 'TIMEOUT', kind: 'deadline' } });
  });
});

describe('BoundedQueue: cancel', () => {
  it('rejects all who wait with the reason and counts what was inside as left', async () => {
    const events: HoldfastEvent[] = [];
    using subscription = subscribe((event) => events.push(event));
    void subscription;
    const reason = new Error('enough');
    const full = new BoundedQueue<number>({ name: 'mail', capacity: 2 });
    const puts = [1, 2, 3].map((item) => watch(full.put(item)));
    const drain = watch(full.drain());
    full.cancel(reason);
    full.cancel('again');
    await settled();
    expect(puts[2]?.outcome).toEqual({ error: reason });
    expect(full.size).toBe(0);
    const report = { drained: false, left: 2, leaked: [] };
    expect(drain.outcome).toEqual({ value: report });
    expect(await full.drain()).toEqual(report);
    expect(events).toMatchObject([{ type: 'queue.cancelled', name: 'mail', data: { left: 2, reason } }]);

    const empty = new BoundedQueue<number>({ capacity: 2 });
    const iterator = empty[Symbol.asyncIterator]();
    const takes = [empty.take(), empty.takeBatch({ max: 2 }), iterator.next()].map((take) =>
      watch<unknown>(take),
    );
    empty.cancel(reason);
    await settled();
    expect(takes.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 3 }, () => ({ error: reason })));
    expect(await empty.drain()).toEqual({ drained: true, left: 0, leaked: [] });
    await expect(empty.put(1)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('has a reason of its own where none is given, which ends iterators like a close', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    const step = watch(queue[Symbol.asyncIterator]().next());
    const take = watch(queue.take());
    queue.cancel();
    await settled();
    expect(take.outcome).toEqual(closed);
    expect(step.outcome).toEqual({ value: { done: true, value: undefined } });
  });

  it('aborts handlers, and counts as left only what they did not finish', async () => {
    const queue = new BoundedQueue<string>({ capacity: 9 });
    const reason = new Error('enough');
    const stubborn = defer();
    const seen: unknown[] = [];
    const loop = queue.consume(
      (item, { signal }) => {
        if (item === 'stubborn') return stubborn.promise;
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            seen.push(signal.reason);
            reject(signal.reason as Error);
          });
        });
      },
      { concurrency: 2 },
    );
    for (const item of ['obedient', 'stubborn', 'inside']) await queue.put(item);
    await settled();
    queue.cancel(reason);
    expect(seen).toEqual([reason]);
    await settled();
    const drain = watch(queue.drain());
    expect(await queue.drain({ timeoutMs: 0 })).toEqual({
      drained: false,
      left: 3,
      leaked: ['consumer of queue "queue"'],
    });
    stubborn.resolve();
    await settled();
    expect(drain.outcome).toEqual({ value: { drained: false, left: 2, leaked: [] } });
    await loop.done;
    expect(loop.running).toBe(false);
  });
});

describe('BoundedQueue: disposal', () => {
  it('closes and waits for consumers to finish what is inside', async () => {
    const seen: number[] = [];
    {
      await using queue = new BoundedQueue<number>({ capacity: 3 });
      queue.consume(async (value) => {
        await Promise.resolve();
        seen.push(value);
      });
      for (const item of [1, 2, 3]) await queue.put(item);
    }
    expect(seen).toEqual([1, 2, 3]);
  });

  it('cancels what nobody would take', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    await queue.put(1);
    const loop = queue.consume(() => {});
    loop.pause();
    await queue[Symbol.asyncDispose]();
    expect(queue.size).toBe(0);
    expect(await queue.drain()).toEqual({ drained: false, left: 1, leaked: [] });
  });

  it('cancels what is left when the last consumer ends before its work is done', async () => {
    const queue = new BoundedQueue<number>({ capacity: 3 });
    const work = defer();
    const loop = queue.consume(() => work.promise);
    for (const item of [1, 2, 3]) await queue.put(item);
    await settled();
    const disposed = watch(queue[Symbol.asyncDispose]());
    void loop.stop();
    await settled();
    expect(disposed.outcome).toBe('pending');
    work.resolve();
    await settled();
    expect(disposed.outcome).toEqual({ value: undefined });
    expect(await queue.drain()).toEqual({ drained: false, left: 2, leaked: [] });
  });

  it('reports nothing where nothing was left', async () => {
    const events: HoldfastEvent[] = [];
    using subscription = subscribe((event) => events.push(event));
    void subscription;
    const queue = new BoundedQueue<number>({ capacity: 3 });
    await queue[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
    expect(events).toEqual([]);
  });
});

describe('BoundedQueue: figures', () => {
  it('tells depth, peak, age, delays and who waits', async () => {
    const queue = new BoundedQueue<number>({ name: 'mail', capacity: 3 });
    expect(queue.stats()).toEqual({
      depth: 0,
      capacity: 3,
      peak: 0,
      oldestAgeMs: 0,
      delayP50Ms: undefined,
      delayP99Ms: undefined,
      waitingPutters: 0,
      waitingTakers: 0,
      inFlight: 0,
      dropped: 0,
    });
    const puts = [1, 2, 3, 4].map((item) => queue.put(item));
    await vi.advanceTimersByTimeAsync(250);
    expect(queue.stats()).toMatchObject({ depth: 3, peak: 3, oldestAgeMs: 250, waitingPutters: 1 });
    queue.tryTake();
    expect(queue.stats()).toMatchObject({ depth: 3, delayP50Ms: 250, delayP99Ms: 250, waitingPutters: 0 });
    await Promise.all(puts);
    await queue.takeBatch({ max: 3 });
    const takes = [queue.take(), queue.take()];
    expect(queue.stats()).toMatchObject({ depth: 0, peak: 3, oldestAgeMs: 0, waitingTakers: 2 });
    queue.tryPut(5);
    queue.tryPut(6);
    await Promise.all(takes);
    expect(queue.stats().delayP50Ms).toBe(0);
  });

  it('is up while it works', () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    expect(queue.health()).toEqual({ status: 'up' });
    queue.close();
    expect(queue.health()).toEqual({ status: 'up' });
  });
});

describe('BoundedQueue: options', () => {
  it.each([
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: 1n }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: 1, name: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: 1, name: '' }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: 1, overflow: 'block' }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: 1, overflow: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: 1, maxQueueDelayMs: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: 1, maxQueueDelayMs: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: 1, lifoWhenDelayAboveMs: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [{ capacity: 1, onDrop: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: 1, onDrop: 'log' }, 'ERR_INVALID_ARG_TYPE'],
    [{ capacity: 1, size: 5 }, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %o when it is made', (options, code) => {
    expect(make(options)).toThrow(expect.objectContaining({ code }));
  });

  it.each([0, 1, Infinity])('takes a capacity of %s', (capacity) => {
    expect(new BoundedQueue({ capacity }).capacity).toBe(capacity);
  });

  it('rejects bad options of a call', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    await expect(queue.put(1, bad({ maxWaitMs: -1 }))).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(queue.put(1, bad({ signal: {} }))).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(queue.put(1, null as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(queue.take(bad({ maxWaitMs: '1' }))).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(queue.takeBatch(bad({}))).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(queue.takeBatch({ max: 0 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(queue.takeBatch(undefined as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(queue.size).toBe(0);
  });

  it('takes the options of a context that was spread', async () => {
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const ctx = { id: 'request', signal: new AbortController().signal, deadline: Deadline.after(1_000) };
    await queue.put(1, { ...ctx, maxWaitMs: 250 });
    expect((await queue.take(ctx)).value).toBe(1);
  });

  it('costs no timer, no controller and no listener before it is used', async () => {
    const controllers = vi.spyOn(globalThis, 'AbortController');
    const queue = new BoundedQueue<number>({ capacity: 1, maxQueueDelayMs: 5, lifoWhenDelayAboveMs: 5 });
    await queue.put(1);
    await queue.take();
    queue.consume(() => {});
    await queue.put(1);
    await queue.drain();
    expect(controllers).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
