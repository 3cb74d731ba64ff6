import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BoundedQueue,
  Deadline,
  TimeoutError,
  noRetry,
  retryLater,
  subscribe,
  withTimeout,
  type ConsumeLoop,
  type HoldfastEvent,
  type ItemContext,
} from '../../src/index.ts';
import { defer, watch, type Deferred } from './watch.ts';

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
const never = (): Promise<never> => new Promise(() => {});

function record(): { events: HoldfastEvent[]; types: () => string[]; [Symbol.dispose]: () => void } {
  const events: HoldfastEvent[] = [];
  const subscription = subscribe((event) => events.push(event));
  return {
    events,
    types: () => events.map(({ type }) => type),
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}

/** A handler whose calls the test settles one by one. */
function stepwise(): {
  handler: (value: number, ctx: ItemContext) => Promise<void>;
  calls: Map<number, Deferred<void>>;
} {
  const calls = new Map<number, Deferred<void>>();
  return {
    calls,
    handler: (value) => {
      const call = defer();
      calls.set(value, call);
      return call.promise;
    },
  };
}

const filled = async (count: number, options: object = {}): Promise<BoundedQueue<number>> => {
  const queue = new BoundedQueue<number>({ name: 'mail', capacity: 100, ...options });
  for (let item = 1; item <= count; item += 1) await queue.put(item);
  return queue;
};

describe('consume: order and concurrency', () => {
  it('handles one item at a time by default, in order', async () => {
    const queue = await filled(3);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler);
    await settled();
    expect([...calls.keys()]).toEqual([1]);
    expect(loop).toMatchObject({ running: true, inFlight: 1, concurrency: 1 });
    calls.get(1)?.resolve();
    await settled();
    expect([...calls.keys()]).toEqual([1, 2]);
    calls.get(2)?.resolve();
    await settled();
    calls.get(3)?.resolve();
    await settled();
    expect(loop).toMatchObject({ running: true, inFlight: 0 });
  });

  it('handles so many at a time as concurrency says, and no more', async () => {
    const queue = await filled(10);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler, { concurrency: 3 });
    await settled();
    expect([...calls.keys()]).toEqual([1, 2, 3]);
    calls.get(2)?.resolve();
    await settled();
    expect([...calls.keys()]).toEqual([1, 2, 3, 4]);
    expect(loop.inFlight).toBe(3);
    for (let item = 1; item <= 10; item += 1) {
      calls.get(item)?.resolve();
      await settled();
    }
    expect(await queue.drain()).toMatchObject({ drained: true });
  });

  it('starts as many as there are with Infinity', async () => {
    const queue = await filled(50);
    const loop = queue.consume(never, { concurrency: Infinity });
    await settled();
    expect(loop.inFlight).toBe(50);
    queue.tryPut(51);
    expect(loop.inFlight).toBe(51);
  });

  it('never calls the handler before consume has returned the loop', async () => {
    const queue = await filled(1);
    const loop: ConsumeLoop = queue.consume(() => void loop.stop());
    await settled();
    expect(loop.running).toBe(false);
  });

  it('changes its concurrency while it runs: more start at once, none is cut', async () => {
    const queue = await filled(20);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler, { concurrency: 2 });
    await settled();
    loop.setConcurrency(4);
    await settled();
    expect(loop.inFlight).toBe(4);
    loop.setConcurrency(1);
    for (const item of [1, 2, 3]) calls.get(item)?.resolve();
    await settled();
    expect([...calls.keys()]).toEqual([1, 2, 3, 4]);
    calls.get(4)?.resolve();
    await settled();
    expect([...calls.keys()]).toEqual([1, 2, 3, 4, 5]);
    expect(() => loop.setConcurrency(0)).toThrow(RangeError);
    expect(loop.concurrency).toBe(1);
  });

  it('takes nothing with a lowered concurrency although it stood in line', async () => {
    const queue = await filled(0);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler, { concurrency: 2 });
    await settled();
    queue.tryPut(1);
    await settled();
    loop.setConcurrency(1);
    queue.tryPut(2);
    await settled();
    expect([...calls.keys()]).toEqual([1]);
    expect(queue.size).toBe(1);
  });

  it('shares a queue with other consumers and with takers in order of arrival', async () => {
    const queue = new BoundedQueue<number>({ capacity: 10 });
    const seen: string[] = [];
    queue.consume((value) => void seen.push(`a${value}`));
    queue.consume((value) => void seen.push(`b${value}`));
    await settled();
    const take = queue.take().then(({ value }) => void seen.push(`t${value}`));
    for (const item of [1, 2, 3]) queue.tryPut(item);
    await take;
    await settled();
    expect(seen.toSorted()).toEqual(['a1', 'b2', 't3']);
  });

  it('takes straight from those who wait to put at capacity 0', async () => {
    const queue = new BoundedQueue<number>({ capacity: 0 });
    const seen: number[] = [];
    const puts = [1, 2, 3].map((item) => queue.put(item));
    queue.consume((value) => void seen.push(value));
    await Promise.all(puts);
    await settled();
    expect(seen).toEqual([1, 2, 3]);
  });

  it('lets timers have their turn although its handlers never wait for anything', async () => {
    vi.useRealTimers();
    const queue = await filled(0, { capacity: Infinity });
    const items = 200_000;
    for (let item = 0; item < items; item += 1) queue.tryPut(item);
    let handled = 0;
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 1);
    queue.consume(() => void (handled += 1), { concurrency: 10 });
    await queue.drain();
    clearInterval(timer);
    expect(handled).toBe(items);
    expect(ticks).toBeGreaterThan(0);
  });
});

describe('consume: context of an item', () => {
  it('tells attempt, admission and queue delay, and survives being spread', async () => {
    vi.setSystemTime(new Date('2030-01-01T00:00:00Z'));
    const queue = await filled(1);
    await vi.advanceTimersByTimeAsync(300);
    const seen: ItemContext[] = [];
    queue.consume((_, ctx) => void seen.push({ ...ctx }));
    await settled();
    expect(seen).toMatchObject([
      { attempt: 1, enqueuedAt: new Date('2030-01-01T00:00:00Z'), queueDelayMs: 300, deadline: undefined },
    ]);
    expect(seen[0]?.signal).toBeInstanceOf(AbortSignal);
  });

  it('makes a controller only for an item whose signal is read', async () => {
    const controllers = vi.spyOn(globalThis, 'AbortController');
    const queue = await filled(3);
    queue.consume((value, ctx) => void (value === 2 && ctx.signal));
    await settled();
    expect(controllers).toHaveBeenCalledTimes(1);
  });

  it('gives each item a signal of its own', async () => {
    const queue = await filled(2);
    const signals: AbortSignal[] = [];
    queue.consume((_, ctx) => void signals.push(ctx.signal, ctx.signal));
    await settled();
    expect(signals[0]).toBe(signals[1]);
    expect(signals[1]).not.toBe(signals[2]);
  });

  it('hands on the deadline of the loop', async () => {
    const queue = await filled(1);
    const deadline = Deadline.after(1_000);
    const seen: unknown[] = [];
    const loop = queue.consume((_, ctx) => void seen.push(ctx.deadline), { deadline });
    await settled();
    expect(seen).toEqual([deadline]);
    await loop.stop();
  });
});

describe('consume: errors', () => {
  it.each([
    ['a rejection', () => Promise.reject(new Error('no'))],
    [
      'a synchronous throw',
      () => {
        throw new Error('no');
      },
    ],
  ])('goes on after %s by default, with an event and nothing on the console', async (_, fail) => {
    using bus = record();
    const error = vi.spyOn(console, 'error').mockImplementation(silent);
    const queue = await filled(3);
    const seen: number[] = [];
    const loop = queue.consume((value) => {
      seen.push(value);
      return value === 1 ? fail() : undefined;
    });
    await settled();
    expect(seen).toEqual([1, 2, 3]);
    expect(loop.running).toBe(true);
    expect(bus.types()).toEqual([
      'queue.item-started',
      'queue.item-failed',
      'queue.item-started',
      'queue.item-done',
      'queue.item-started',
      'queue.item-done',
    ]);
    expect(bus.events[1]).toMatchObject({ name: 'mail', data: { error: new Error('no') } });
    expect(error).not.toHaveBeenCalled();
    expect(queue.health()).toEqual({ status: 'up' });
  });

  it('says so on the console once a minute where nobody subscribes', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(silent);
    const queue = await filled(3);
    queue.consume((value) => Promise.reject(new Error(`no ${value}`)));
    await settled();
    expect(error.mock.calls).toEqual([['Queue "mail": an item failed', new Error('no 1')]]);
    await vi.advanceTimersByTimeAsync(60_000);
    await queue.put(4);
    await settled();
    expect(error).toHaveBeenLastCalledWith(
      'Queue "mail": an item failed (and 2 more since the last report)',
      new Error('no 4'),
    );
    expect(error).toHaveBeenCalledTimes(2);
  });

  it('ends at the first error under stop: done rejects with it, the queue is down, what is in flight goes on', async () => {
    using bus = record();
    const queue = await filled(5);
    const { handler, calls } = stepwise();
    const error = new Error('no');
    const loop = queue.consume(handler, { concurrency: 2, onError: 'stop' });
    const done = watch(loop.done);
    await settled();
    calls.get(1)?.reject(error);
    await settled();
    expect(loop).toMatchObject({ running: false, inFlight: 1 });
    expect(done.outcome).toBe('pending');
    calls.get(2)?.reject(new Error('another'));
    await settled();
    expect(done.outcome).toEqual({ error });
    expect([...calls.keys()]).toEqual([1, 2]);
    expect(queue.size).toBe(3);
    expect(queue.health()).toEqual({ status: 'down', detail: 'a consumer stopped by an error' });
    expect(bus.types().filter((type) => type !== 'queue.item-started')).toEqual([
      'queue.item-failed',
      'queue.loop-stopped',
      'queue.item-failed',
    ]);
    await expect(loop.stop()).resolves.toBeUndefined();
    queue.consume(() => {});
    expect(queue.health()).toEqual({ status: 'up' });
  });

  it('is not mended by a producer when a consumer has stopped', async () => {
    vi.spyOn(console, 'error').mockImplementation(silent);
    const queue = await filled(1);
    queue.consume(() => Promise.reject(new Error('no')), { onError: 'stop' });
    await settled();
    const producer = queue.produce([]);
    await producer.done;
    expect(queue.health().status).toBe('down');
  });

  it('hands a failed item to the function given, with its context, and waits for it', async () => {
    using bus = record();
    const queue = await filled(2);
    const stored = defer();
    const error = new Error('no');
    const onError = vi.fn((_error: unknown, _value: number, _ctx: ItemContext) => stored.promise);
    const loop = queue.consume((value) => (value === 1 ? Promise.reject(error) : undefined), { onError });
    await settled();
    expect(onError).toHaveBeenCalledExactlyOnceWith(error, 1, expect.objectContaining({ attempt: 1 }));
    expect(loop.inFlight).toBe(1);
    expect(watch(queue.drain()).outcome).toBe('pending');
    stored.resolve();
    await settled();
    expect(await queue.drain()).toMatchObject({ drained: true });
    expect(bus.types()).toContain('queue.item-failed');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('store is down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('store is down'))],
  ])('goes on when that function %s, and says so', async (_, onError) => {
    const error = vi.spyOn(console, 'error').mockImplementation(silent);
    const queue = await filled(2);
    const loop = queue.consume(() => Promise.reject(new Error('no')), { onError });
    await settled();
    expect(loop).toMatchObject({ running: true, inFlight: 0 });
    expect(queue.size).toBe(0);
    expect(error).toHaveBeenCalledExactlyOnceWith(
      'Queue "mail": an error handler failed',
      new Error('store is down'),
    );
  });

  it('keeps values that are no Error as they were thrown', async () => {
    const queue = await filled(1);
    const onError = vi.fn();
    queue.consume(() => Promise.reject(undefined), { onError });
    await settled();
    expect(onError).toHaveBeenCalledExactlyOnceWith(undefined, 1, expect.anything());
  });

  it('pauses the slot of a failed item for errorDelayMs, and no other', async () => {
    const queue = await filled(9);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler, { concurrency: 2, errorDelayMs: 1_000, onError: silent });
    await settled();
    calls.get(1)?.reject(new Error('no'));
    await settled();
    calls.get(2)?.resolve();
    await settled();
    calls.get(3)?.resolve();
    await vi.advanceTimersByTimeAsync(999);
    expect([...calls.keys()]).toEqual([1, 2, 3, 4]);
    expect(loop.inFlight).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect([...calls.keys()]).toEqual([1, 2, 3, 4, 5]);
  });

  it('cuts that pause short when it is stopped', async () => {
    const queue = await filled(2);
    const loop = queue.consume(() => Promise.reject(new Error('no')), {
      errorDelayMs: 60_000,
      onError: silent,
    });
    await settled();
    expect(vi.getTimerCount()).toBe(1);
    await loop.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('consume: time-out and retry', () => {
  it('fails an item at timeoutMs and aborts its handler, but holds its slot until that has settled', async () => {
    const queue = await filled(2);
    const first = defer();
    const started: number[] = [];
    const reasons: unknown[] = [];
    const onError = vi.fn();
    queue.consume(
      (value, { signal }) => {
        started.push(value);
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        return value === 1 ? first.promise : undefined;
      },
      { timeoutMs: 100, onError },
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'TIMEOUT', kind: 'total', timeoutMs: 100 }),
      1,
      expect.anything(),
    );
    expect(reasons).toEqual([expect.any(TimeoutError)]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(started).toEqual([1]);
    first.reject(new Error('late, and swallowed'));
    await settled();
    expect(started).toEqual([1, 2]);
  });

  it('holds its slot while something still runs that the handler gave up', async () => {
    const queue = await filled(2);
    const hung = defer();
    const started: number[] = [];
    queue.consume(
      async (value, ctx) => {
        started.push(value);
        if (value === 1) await withTimeout(() => hung.promise, { ...ctx, timeoutMs: 50 });
      },
      { onError: silent },
    );
    await vi.advanceTimersByTimeAsync(1_000);
    expect(started).toEqual([1]);
    expect(await queue.drain({ timeoutMs: 0 })).toMatchObject({ left: 2 });
    hung.resolve();
    await settled();
    expect(started).toEqual([1, 2]);
  });

  it('tries an item again under retry, and tells the attempt', async () => {
    const queue = await filled(1);
    const attempts: number[] = [];
    const onError = vi.fn();
    queue.consume(
      (_, ctx) => {
        attempts.push(ctx.attempt);
        return Promise.reject(new Error(`no ${ctx.attempt}`));
      },
      { retry: { maxRetries: 2, baseDelayMs: 100, jitter: 'none' }, onError },
    );
    await settled();
    expect(attempts).toEqual([1]);
    await vi.advanceTimersByTimeAsync(100);
    expect(attempts).toEqual([1, 2]);
    expect(onError).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(attempts).toEqual([1, 2, 3]);
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      new Error('no 3'),
      1,
      expect.objectContaining({ attempt: 3 }),
    );
  });

  it('respects noRetry and retryLater', async () => {
    const queue = await filled(2);
    const starts: string[] = [];
    const onError = vi.fn();
    queue.consume(
      (value, { attempt }) => {
        starts.push(`${value}.${attempt}`);
        if (value === 1) throw noRetry(new Error('bad'));
        if (attempt === 1) throw retryLater(5_000);
      },
      { retry: { maxRetries: 5, baseDelayMs: 10 }, onError },
    );
    await settled();
    expect(onError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'NO_RETRY' }),
      1,
      expect.anything(),
    );
    await vi.advanceTimersByTimeAsync(4_999);
    expect(starts).toEqual(['1.1', '2.1']);
    await vi.advanceTimersByTimeAsync(1);
    expect(starts).toEqual(['1.1', '2.1', '2.2']);
  });

  it('bounds all attempts of an item by timeoutMs', async () => {
    const queue = await filled(1);
    const deadlines: (number | undefined)[] = [];
    const onError = vi.fn();
    queue.consume(
      (_, ctx) => {
        deadlines.push(ctx.deadline?.remainingMs);
        return Promise.reject(new Error('no'));
      },
      { timeoutMs: 250, retry: { maxRetries: 9, baseDelayMs: 100, factor: 1, jitter: 'none' }, onError },
    );
    await vi.advanceTimersByTimeAsync(1_000);
    expect(deadlines).toEqual([250, 150, 50]);
    expect(onError).toHaveBeenCalledExactlyOnceWith(new Error('no'), 1, expect.anything());
  });

  it('ends a wait for the next attempt when the queue is cancelled', async () => {
    using bus = record();
    const queue = await filled(1);
    const loop = queue.consume(() => Promise.reject(new Error('no')), { retry: { baseDelayMs: 10_000 } });
    await settled();
    queue.cancel('enough');
    await loop.done;
    expect(bus.types()).toContain('queue.item-cancelled');
    expect(bus.types()).not.toContain('queue.item-failed');
    expect(await queue.drain()).toEqual({ drained: false, left: 1, leaked: [] });
  });
});

describe('consume: ending', () => {
  it('ends when the queue is closed and empty, after what is in flight', async () => {
    const queue = await filled(2);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler);
    const done = watch(loop.done);
    await settled();
    queue.close();
    calls.get(1)?.resolve();
    await settled();
    expect(loop).toMatchObject({ running: false, inFlight: 1 });
    calls.get(2)?.resolve();
    await settled();
    expect(done.outcome).toEqual({ value: undefined });
  });

  it('ends a waiting, a paused and a pausing consumer when the queue is closed and empty', async () => {
    const queue = await filled(1);
    const pausing = queue.consume(() => Promise.reject(new Error('no')), {
      errorDelayMs: 60_000,
      onError: silent,
    });
    await settled();
    const waiting = queue.consume(() => {});
    const paused = queue.consume(() => {});
    paused.pause();
    await settled();
    queue.close();
    await Promise.all([pausing.done, waiting.done, paused.done]);
    expect([pausing.running, waiting.running, paused.running]).toEqual([false, false, false]);
  });

  it('ends a paused consumer when another takes the last item of a closed queue', async () => {
    const queue = await filled(1);
    const paused = queue.consume(() => {});
    paused.pause();
    queue.close();
    queue.consume(() => {});
    await paused.done;
    expect(queue.size).toBe(0);
  });

  it('resolves done when the queue failed', async () => {
    const queue = await filled(0);
    const loop = queue.consume(() => {});
    await settled();
    queue.fail(new Error('broken'));
    await expect(loop.done).resolves.toBeUndefined();
  });

  it('takes no more after stop, and resolves when what is in flight has settled', async () => {
    const queue = await filled(3);
    const { handler, calls } = stepwise();
    const loop = queue.consume(handler);
    await settled();
    const stopped = watch(loop.stop());
    expect(loop.running).toBe(false);
    await settled();
    expect(stopped.outcome).toBe('pending');
    calls.get(1)?.resolve();
    await settled();
    expect(stopped.outcome).toEqual({ value: undefined });
    expect(queue.size).toBe(2);
    await loop.stop();
  });

  it('is stopped by its disposal', async () => {
    const queue = await filled(0);
    let loop: ConsumeLoop | undefined;
    {
      await using consumer = queue.consume(() => {});
      loop = consumer;
    }
    expect(loop.running).toBe(false);
    await queue.put(1);
    await settled();
    expect(queue.size).toBe(1);
  });

  it('pauses and goes on', async () => {
    const queue = await filled(0);
    const seen: number[] = [];
    const loop = queue.consume((value) => void seen.push(value));
    await settled();
    loop.pause();
    loop.pause();
    for (const item of [1, 2]) await queue.put(item);
    await settled();
    expect(seen).toEqual([]);
    expect(loop.running).toBe(true);
    loop.resume();
    loop.resume();
    await settled();
    expect(seen).toEqual([1, 2]);
  });

  it('ends and aborts its handlers when its caller leaves', async () => {
    using bus = record();
    const queue = await filled(3);
    const controller = new AbortController();
    const loop = queue.consume(
      (_, { signal }) =>
        new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      { signal: controller.signal, concurrency: 2 },
    );
    await settled();
    controller.abort('left');
    await loop.done;
    expect(queue.size).toBe(1);
    expect(bus.types().filter((type) => type === 'queue.item-cancelled')).toHaveLength(2);
    expect(await queue.drain({ timeoutMs: 0 })).toEqual({ drained: false, left: 1, leaked: [] });
  });

  it('hands items that were cut to the error function, so that none is lost', async () => {
    const queue = await filled(2);
    const kept: number[] = [];
    queue.consume(
      (_, { signal }) =>
        new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
      { concurrency: 2, onError: (_, value) => void kept.push(value) },
    );
    await settled();
    queue.cancel('enough');
    expect(await queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
    expect(kept).toEqual([1, 2]);
  });

  it('starts nothing for a caller who has left already', async () => {
    const queue = await filled(1);
    const handler = vi.fn();
    const loop = queue.consume(handler, { signal: AbortSignal.abort('left') });
    await loop.done;
    await settled();
    expect(handler).not.toHaveBeenCalled();
    expect(queue.size).toBe(1);
  });

  it('ends when its deadline passes', async () => {
    const queue = await filled(1);
    const reasons: unknown[] = [];
    const loop = queue.consume(
      (_, { signal }) =>
        new Promise((__, reject) =>
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason as Error);
          }),
        ),
      { deadline: Deadline.after(100) },
    );
    await vi.advanceTimersByTimeAsync(100);
    await loop.done;
    expect(reasons).toEqual([expect.objectContaining({ code: 'TIMEOUT', kind: 'deadline' })]);
  });

  it('does not start the handler of an item that was handed over in the tick of a cancel', async () => {
    const queue = await filled(0);
    const handler = vi.fn();
    queue.consume(handler);
    await settled();
    queue.tryPut(1);
    queue.cancel('enough');
    await settled();
    expect(handler).not.toHaveBeenCalled();
    expect(await queue.drain()).toEqual({ drained: false, left: 1, leaked: [] });
  });

  it('leaves nothing on a signal that outlives ten thousand loops', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const queue = new BoundedQueue<number>({ capacity: 1 });
    const loops = Array.from({ length: 10_000 }, () => queue.consume(() => {}, { signal }));
    await Promise.all(loops.map((loop) => loop.stop()));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
    expect(queue.stats().waitingTakers).toBe(0);
  });
});

describe('consume: options', () => {
  const queue = new BoundedQueue<number>({ capacity: 1 });
  it.each([
    [undefined, {}, 'ERR_INVALID_ARG_TYPE'],
    [silent, null, 'ERR_INVALID_ARG_TYPE'],
    [silent, { concurrency: 0 }, 'ERR_OUT_OF_RANGE'],
    [silent, { concurrency: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [silent, { concurrency: '2' }, 'ERR_INVALID_ARG_TYPE'],
    [silent, { onError: 'ignore' }, 'ERR_OUT_OF_RANGE'],
    [silent, { onError: null }, 'ERR_INVALID_ARG_TYPE'],
    [silent, { errorDelayMs: -1 }, 'ERR_OUT_OF_RANGE'],
    [silent, { timeoutMs: 0 }, 'ERR_OUT_OF_RANGE'],
    [silent, { retry: null }, 'ERR_INVALID_ARG_TYPE'],
    [silent, { retry: { maxRetries: -1 } }, 'ERR_OUT_OF_RANGE'],
    [silent, { signal: 5 }, 'ERR_INVALID_ARG_TYPE'],
  ])('throws on %o, %o', (handler, options, code) => {
    expect(() => queue.consume(handler as () => void, options as object)).toThrow(
      expect.objectContaining({ code }),
    );
    expect(queue.stats().waitingTakers).toBe(0);
  });
});
