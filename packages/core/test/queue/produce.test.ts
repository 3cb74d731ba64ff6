import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BoundedQueue, Deadline, subscribe, type HoldfastEvent, type WorkContext } from '../../src/index.ts';
import { defer, values, watch } from './watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  if (vi.isFakeTimers()) expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const silent = (): void => {};
const make = (capacity = 10): BoundedQueue<number> => new BoundedQueue<number>({ name: 'mail', capacity });
const inside = async (queue: BoundedQueue<number>): Promise<number[]> =>
  values(await queue.takeBatch({ max: 100, maxWaitMs: 0 }));

const iterate = (items: number[], onReturn: () => void): Iterable<number> => ({
  [Symbol.iterator]: () => {
    const iterator = items.values();
    return { next: () => iterator.next(), return: () => (onReturn(), { done: true, value: undefined }) };
  },
});

function record(): { events: HoldfastEvent[]; [Symbol.dispose]: () => void } {
  const events: HoldfastEvent[] = [];
  const subscription = subscribe((event) => events.push(event));
  return { events, [Symbol.dispose]: () => subscription[Symbol.dispose]() };
}

describe('produce: from something to iterate', () => {
  it('puts what an iterable holds and ends with it, not the queue', async () => {
    const queue = make();
    const loop = queue.produce([1, 2, 3]);
    expect(loop).toMatchObject({ running: true, inFlight: 0 });
    await loop.done;
    expect(loop).toMatchObject({ running: false, inFlight: 0 });
    expect(queue.closed).toBe(false);
    expect(await inside(queue)).toEqual([1, 2, 3]);
  });

  it('puts what an async iterable yields, waiting while the queue is full', async () => {
    const queue = make(2);
    let pulled = 0;
    const loop = queue.produce(
      (async function* () {
        for (let item = 1; item <= 5; item += 1) {
          pulled = item;
          yield item;
        }
      })(),
    );
    await settled();
    expect([queue.size, pulled]).toEqual([2, 3]);
    expect(loop.inFlight).toBe(1);
    expect(await inside(queue)).toEqual([1, 2, 3]);
    await loop.done;
    expect(await inside(queue)).toEqual([4, 5]);
  });

  it('takes undefined for an item of an iterable', async () => {
    const queue = new BoundedQueue<number | undefined>({ capacity: 5 });
    await queue.produce([1, undefined, 2]).done;
    expect(values(await queue.takeBatch({ max: 5 }))).toEqual([1, undefined, 2]);
  });

  it('does not call return on an iterator that has ended, and does on one that it leaves', async () => {
    const ended = vi.fn();
    const left = vi.fn();
    const queue = make(2);
    await queue.produce(iterate([1], ended)).done;
    const loop = queue.produce(iterate([2, 3, 4, 5], left));
    await settled();
    const stopped = loop.stop();
    queue.tryTake();
    await stopped;
    expect(ended).not.toHaveBeenCalled();
    expect(left).toHaveBeenCalledTimes(1);
    expect(await inside(queue)).toEqual([2, 3]);
  });

  it('ends when an iterator throws, says so, and leaves the queue degraded until another loop begins', async () => {
    using bus = record();
    const queue = make();
    const error = new Error('cursor lost');
    const loop = queue.produce(
      (function* () {
        yield 1;
        throw error;
      })(),
    );
    await loop.done;
    expect(loop.running).toBe(false);
    expect(bus.events).toMatchObject([{ type: 'queue.loop-stopped', name: 'mail', data: { error } }]);
    expect(queue.health()).toEqual({ status: 'degraded', detail: 'a producer stopped by an error' });
    await queue.produce([2]).done;
    expect(queue.health()).toEqual({ status: 'up' });
  });

  it('says so on the console where nobody subscribes', async () => {
    const console_ = vi.spyOn(console, 'error').mockImplementation(silent);
    const error = new Error('cursor lost');
    const throwing: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
    };
    await make().produce(throwing).done;
    expect(console_.mock.calls).toEqual([
      ['Queue "mail": the producer stopped, because its source failed', error],
    ]);
  });

  it('tells an iterator that waits for its next item to return', async () => {
    const queue = make();
    const waiting = defer<IteratorResult<number>>();
    const onReturn = vi.fn(async () => {
      waiting.resolve({ done: true, value: undefined });
      return { done: true as const, value: undefined };
    });
    const loop = queue.produce({
      [Symbol.asyncIterator]: () => ({ next: () => waiting.promise, return: onReturn }),
    });
    await settled();
    await loop.stop();
    expect(onReturn).toHaveBeenCalledTimes(1);
  });

  it('waits a second for the item that an iterator was fetching when it was stopped', async () => {
    const queue = make();
    const fetching = defer<IteratorResult<number>>();
    const loop = queue.produce({ [Symbol.asyncIterator]: () => ({ next: () => fetching.promise }) });
    await settled();
    const stopped = watch(loop.stop());
    const drained = watch(queue.drain());
    await vi.advanceTimersByTimeAsync(900);
    expect([stopped.outcome, drained.outcome]).toEqual(['pending', 'pending']);
    fetching.resolve({ done: false, value: 1 });
    await settled();
    expect(stopped.outcome).toEqual({ value: undefined });
    expect(queue.size).toBe(1);
    await queue.take();
    await settled();
    expect(drained.outcome).toEqual({ value: { drained: true, left: 0, leaked: [] } });
  });

  it('gives up an iterator that does not hear, and says what it lost when that comes later', async () => {
    using bus = record();
    const queue = make();
    const fetching = defer<IteratorResult<number>>();
    const loop = queue.produce({ [Symbol.asyncIterator]: () => ({ next: () => fetching.promise }) });
    await settled();
    const stopped = watch(loop.stop());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(stopped.outcome).toEqual({ value: undefined });
    expect(await queue.drain()).toMatchObject({ drained: true });
    queue.close();
    fetching.resolve({ done: false, value: 1 });
    await settled();
    expect(bus.events).toMatchObject([
      { type: 'queue.producer-failed', data: { error: { code: 'QUEUE_CLOSED' } } },
    ]);
    expect(await queue.drain()).toEqual({ drained: false, left: 1, leaked: [] });
  });

  it('waits for room under reject as well, and drops under the policies that drop', async () => {
    const patient = new BoundedQueue<number>({ capacity: 1, overflow: 'reject' });
    const loop = patient.produce([1, 2]);
    await settled();
    expect(loop.running).toBe(true);
    expect(patient.tryTake()?.value).toBe(1);
    await loop.done;
    expect(patient.tryTake()?.value).toBe(2);
    const onDrop = vi.fn();
    const dropping = new BoundedQueue<number>({ capacity: 1, overflow: 'drop-newest', onDrop });
    await dropping.produce([1, 2, 3]).done;
    expect(onDrop).toHaveBeenCalledTimes(2);
  });

  it('lets timers have their turn although source and queue never make it wait', async () => {
    vi.useRealTimers();
    const queue = new BoundedQueue<number>({ capacity: 1, overflow: 'drop-oldest', onDrop: silent });
    const loop = queue.produce(
      (function* () {
        for (;;) yield 1;
      })(),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
    await loop.stop();
    expect(queue.stats().dropped).toBeGreaterThan(0);
  });
});

describe('produce: from a function', () => {
  it('asks again at once after an item, and after idleMs when there is nothing now', async () => {
    const queue = make();
    const answers = [1, 2, undefined, 3];
    const asked: number[] = [];
    const loop = queue.produce(() => {
      asked.push(performance.now());
      return answers.shift();
    });
    const start = performance.now();
    await settled();
    expect(asked.map((at) => at - start)).toEqual([0, 0, 0]);
    await vi.advanceTimersByTimeAsync(99);
    expect(asked).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked.map((at) => at - start)).toEqual([0, 0, 0, 100, 100]);
    expect(await inside(queue)).toEqual([1, 2, 3]);
    await loop.stop();
  });

  it('sleeps idleMs as given, and does not spin with 0', async () => {
    const source = vi.fn();
    const loop = make().produce(source, { idleMs: 0 });
    await settled();
    await settled();
    expect(source.mock.calls.length).toBeLessThan(5);
    await loop.stop();
    const slow = vi.fn();
    const slowLoop = make().produce(slow, { idleMs: 5_000 });
    await vi.advanceTimersByTimeAsync(14_999);
    expect(slow).toHaveBeenCalledTimes(3);
    await slowLoop.stop();
  });

  it('is not asked before produce has returned the loop', () => {
    const source = vi.fn();
    const loop = make().produce(source);
    expect(source).not.toHaveBeenCalled();
    return loop.stop();
  });

  it('is not asked again while the queue is full', async () => {
    const queue = make(1);
    let item = 0;
    const source = vi.fn(() => (item += 1));
    const loop = queue.produce(source);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(source).toHaveBeenCalledTimes(2);
    const stopped = loop.stop();
    expect(await inside(queue)).toEqual([1, 2]);
    await stopped;
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
  ])('is asked again after errorDelayMs when it %s, each time with an event', async (_, fail) => {
    using bus = record();
    const queue = make();
    let asked = 0;
    const loop = queue.produce(() => {
      asked += 1;
      return asked < 3 ? fail() : asked;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toBe(2);
    loop.pause();
    await vi.advanceTimersByTimeAsync(1_000);
    loop.resume();
    await settled();
    expect(asked).toBeGreaterThan(2);
    expect(bus.events).toMatchObject(
      [1, 2].map(() => ({
        type: 'queue.producer-failed',
        name: 'mail',
        data: { error: new Error('no'), delayMs: 1_000 },
      })),
    );
    const stopped = loop.stop();
    queue.cancel();
    await stopped;
  });

  it('says so on the console once a minute where nobody subscribes', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(silent);
    const loop = make().produce(() => Promise.reject(new Error('no')), { errorDelayMs: 100 });
    await vi.advanceTimersByTimeAsync(59_000);
    expect(error).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(error).toHaveBeenCalledTimes(2);
    await loop.stop();
  });

  it('ends at the first error under stop: done rejects with it and the queue is down', async () => {
    using bus = record();
    const queue = make();
    const error = new Error('no');
    const loop = queue.produce(() => Promise.reject(error), { onError: 'stop' });
    await expect(loop.done).rejects.toBe(error);
    expect(loop.running).toBe(false);
    expect(queue.health()).toEqual({ status: 'down', detail: 'a producer stopped by an error' });
    expect(bus.events).toMatchObject([{ type: 'queue.loop-stopped', data: { error } }]);
    await expect(loop.stop()).resolves.toBeUndefined();
  });

  it('tells the function given of an error, waits for it, and goes on whatever it does', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(silent);
    const error = new Error('no');
    const told = defer();
    const onError = vi.fn(() => told.promise);
    const source = vi.fn((): Promise<number> => Promise.reject(error));
    const loop = make().produce(source, { onError, errorDelayMs: 10 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(onError).toHaveBeenCalledExactlyOnceWith(error);
    expect(source).toHaveBeenCalledTimes(1);
    told.reject(new Error('log is down'));
    await vi.advanceTimersByTimeAsync(10);
    expect(source).toHaveBeenCalledTimes(2);
    expect(reported).toHaveBeenCalledWith(new Error('log is down'));
    await loop.stop();
  });

  it('is told to stop by its signal, and what it answers with the reason is no failure', async () => {
    using bus = record();
    for (const fail of [
      (signal: AbortSignal) => signal.reason as Error,
      () => new DOMException('stopped waiting', 'AbortError'),
    ]) {
      const loop = make().produce(
        ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(fail(signal)))),
      );
      await settled();
      expect(loop.inFlight).toBe(1);
      await loop.stop();
    }
    expect(bus.events).toEqual([]);
  });

  it('has the item that it was fetching when it was stopped put, and is waited for until then', async () => {
    const queue = make(1);
    await queue.put(0);
    const fetching = defer<number>();
    const loop = queue.produce(() => fetching.promise);
    await settled();
    const stopped = watch(loop.stop());
    await queue.take();
    const drained = watch(queue.drain());
    await vi.advanceTimersByTimeAsync(60_000);
    expect([stopped.outcome, drained.outcome]).toEqual(['pending', 'pending']);
    fetching.resolve(1);
    await settled();
    expect(stopped.outcome).toEqual({ value: undefined });
    expect(await inside(queue)).toEqual([1]);
    await settled();
    expect(drained.outcome).toMatchObject({ value: { drained: true } });
  });

  it('wakes from its sleep when it is stopped', async () => {
    const loop = make().produce(() => undefined, { idleMs: 60_000 });
    await settled();
    expect(vi.getTimerCount()).toBe(1);
    await loop.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('runs in the asynchronous context of produce, under its deadline', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const deadline = Deadline.after(10_000);
    const queue = make();
    const loop = storage.run('producer', () =>
      queue.produce(
        (ctx: WorkContext) => {
          seen.push(storage.getStore(), ctx.deadline);
          return undefined;
        },
        { deadline },
      ),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(seen).toEqual(['producer', deadline, 'producer', deadline]);
    await loop.stop();
  });
});

describe('produce: ending', () => {
  it('ends when the queue closes; the item in its hand still comes in', async () => {
    using bus = record();
    const queue = make(1);
    const loop = queue.produce([1, 2, 3]);
    const outside = watch(queue.put(9));
    await settled();
    queue.close();
    await settled();
    expect(outside.outcome).toMatchObject({ value: undefined });
    const rest: number[] = [];
    for await (const { value } of queue) rest.push(value);
    await loop.done;
    expect(rest).toEqual([9, 1]);
    expect(bus.events).toEqual([]);
  });

  it('still hands over the item in its hand at capacity 0 after a close', async () => {
    const queue = make(0);
    const loop = queue.produce([1, 2]);
    await settled();
    queue.close();
    expect((await queue.take()).value).toBe(1);
    await loop.done;
    await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('counts the item in its hand as left when the queue is cancelled, and says so', async () => {
    using bus = record();
    const queue = make(1);
    const loop = queue.produce([1, 2, 3]);
    await settled();
    expect(await queue.drain({ timeoutMs: 0 })).toMatchObject({ left: 2 });
    queue.cancel('enough');
    await loop.done;
    expect(await queue.drain()).toEqual({ drained: false, left: 2, leaked: [] });
    expect(bus.events).toMatchObject([
      { type: 'queue.cancelled' },
      { type: 'queue.producer-failed', data: { error: 'enough' } },
    ]);
  });

  it('counts the item in its hand as left when the queue fails', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(silent);
    const queue = make(1);
    const loop = queue.produce([1, 2, 3]);
    await settled();
    queue.fail(new Error('broken'));
    await loop.done;
    expect(error).toHaveBeenCalledExactlyOnceWith(
      'Queue "mail": an item of a producer was lost',
      new Error('broken'),
    );
    expect(await inside(queue)).toEqual([1]);
    expect(await queue.drain()).toEqual({ drained: false, left: 1, leaked: [] });
  });

  it('is named as leaked while its source ignores a cancel', async () => {
    const queue = make();
    const fetching = defer<undefined>();
    const loop = queue.produce(() => fetching.promise);
    await settled();
    queue.cancel('enough');
    expect(await queue.drain({ timeoutMs: 0 })).toMatchObject({ leaked: ['producer of queue "mail"'] });
    fetching.resolve(undefined);
    await loop.done;
    expect(await queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('ends when its caller leaves, its deadline passes, or it never should have begun', async () => {
    const controller = new AbortController();
    const source = vi.fn();
    const queue = make();
    const aborted = queue.produce(source, { signal: controller.signal });
    const late = queue.produce(source, { deadline: Deadline.after(50), idleMs: 10 });
    await settled();
    controller.abort('left');
    await aborted.done;
    await vi.advanceTimersByTimeAsync(50);
    await late.done;
    source.mockClear();
    await queue.produce(source, { signal: controller.signal }).done;
    queue.close();
    await queue.produce(source).done;
    expect(source.mock.calls.length).toBeLessThanOrEqual(1);
  });

  it('pauses and goes on', async () => {
    const queue = make();
    let item = 0;
    const loop = queue.produce(() => (item += 1) % 3 || undefined, { idleMs: 10 });
    await settled();
    loop.pause();
    await vi.advanceTimersByTimeAsync(1_000);
    const before = item;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(item).toBe(before);
    loop.resume();
    await vi.advanceTimersByTimeAsync(5);
    expect(item).toBeGreaterThan(before);
    loop.pause();
    await vi.advanceTimersByTimeAsync(1_000);
    await loop.stop();
  });

  it('leaves nothing on a signal that outlives many loops', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const queue = make();
    const loops = Array.from({ length: 1_000 }, () =>
      queue.produce(() => undefined, { signal, idleMs: 1_000 }),
    );
    await settled();
    await Promise.all(loops.map((loop) => loop.stop()));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
  });
});

describe('produce: options', () => {
  const queue = make();
  it.each([
    [undefined, {}, 'ERR_INVALID_ARG_TYPE'],
    [5, {}, 'ERR_INVALID_ARG_TYPE'],
    [null, {}, 'ERR_INVALID_ARG_TYPE'],
    [{}, {}, 'ERR_INVALID_ARG_TYPE'],
    [[], null, 'ERR_INVALID_ARG_TYPE'],
    [[], { idleMs: -1 }, 'ERR_OUT_OF_RANGE'],
    [[], { idleMs: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [[], { errorDelayMs: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [[], { onError: 'log' }, 'ERR_OUT_OF_RANGE'],
    [[], { onError: null }, 'ERR_INVALID_ARG_TYPE'],
  ])('throws on %o, %o', (source, options, code) => {
    expect(() => queue.produce(source as number[], options as object)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
