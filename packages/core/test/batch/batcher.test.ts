import { AsyncLocalStorage } from 'node:async_hooks';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  Batcher,
  Deadline,
  ShuttingDownError,
  subscribe,
  withTimeout,
  type HoldfastEvent,
  type WorkContext,
} from '../../src/index.ts';
import { ADOPT, executionOf, type Door } from '../../src/internal.ts';
import { defer, watch, type Deferred } from '../queue/watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  if (vi.isFakeTimers()) expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets promises settle and one turn of the event loop pass. */
const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

/** A bulk function that doubles, and what it was called with. */
function doubling(): { fn: (items: readonly number[]) => Promise<number[]>; calls: number[][] } {
  const calls: number[][] = [];
  return {
    calls,
    fn: async (items) => {
      calls.push([...items]);
      return items.map((item) => item * 2);
    },
  };
}

/** A bulk function whose calls the test settles one by one. */
function stepwise(): {
  fn: (items: readonly number[], ctx: WorkContext) => Promise<number[]>;
  calls: { items: readonly number[]; ctx: WorkContext; result: Deferred<number[]> }[];
} {
  const calls: { items: readonly number[]; ctx: WorkContext; result: Deferred<number[]> }[] = [];
  return {
    calls,
    fn: (items, ctx) => {
      const result = defer<number[]>();
      calls.push({ items, ctx, result });
      return result.promise;
    },
  };
}

describe('Batcher: collecting', () => {
  it('makes one call of what is submitted in one turn, and gives each its own result', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn);
    const results = Promise.all([1, 2, 3].map((item) => batcher.submit(item)));
    expect(calls).toEqual([]);
    await Promise.resolve();
    const later = batcher.submit(4);
    await turn();
    expect(await results).toEqual([2, 4, 6]);
    expect(await later).toBe(8);
    expect(calls).toEqual([[1, 2, 3, 4]]);
  });

  it('waits maxWaitMs from the first item on', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { maxWaitMs: 50 });
    void batcher.submit(1);
    await vi.advanceTimersByTimeAsync(40);
    void batcher.submit(2);
    await vi.advanceTimersByTimeAsync(9);
    expect(calls).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toEqual([[1, 2]]);
  });

  it('sends a batch as soon as it is full, and starts the wait of the rest anew', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { maxSize: 2, maxWaitMs: 50, concurrency: 5 });
    for (const item of [1, 2, 3]) void batcher.submit(item);
    expect(calls).toEqual([[1, 2]]);
    await vi.advanceTimersByTimeAsync(49);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toEqual([[1, 2], [3]]);
  });

  it('runs one call at a time by default; what comes meanwhile goes into the next', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn);
    void batcher.submit(1);
    await turn();
    for (const item of [2, 3, 4]) void batcher.submit(item);
    await turn();
    expect(calls.map(({ items }) => items)).toEqual([[1]]);
    calls[0]?.result.resolve([1]);
    await turn();
    expect(calls.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
    calls[1]?.result.resolve([2, 3, 4]);
    await turn();
    expect(batcher.stats()).toEqual({ waiting: 0, maxQueue: 1_000, running: 0, calls: 2, items: 4 });
  });

  it('runs as many calls at a time as concurrency says', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn, { maxSize: 1, concurrency: 2 });
    const results = [1, 2, 3].map((item) => batcher.submit(item));
    await turn();
    expect(calls).toHaveLength(2);
    calls[1]?.result.resolve([20]);
    await turn();
    expect(calls).toHaveLength(3);
    calls[0]?.result.resolve([10]);
    calls[2]?.result.resolve([30]);
    expect(await Promise.all(results)).toEqual([10, 20, 30]);
  });

  it('holds the slot of a call until nothing of it runs any more', async () => {
    const hung = defer<number[]>();
    const started: number[] = [];
    const batcher = new Batcher<number, number>((items, ctx) => {
      started.push(items.length);
      return started.length === 1 ? withTimeout(() => hung.promise, { ...ctx, timeoutMs: 10 }) : [1];
    });
    const first = watch(batcher.submit(1));
    await vi.advanceTimersByTimeAsync(10);
    expect(first.outcome).toMatchObject({ error: { code: 'TIMEOUT' } });
    const second = watch(batcher.submit(2));
    await turn();
    expect(started).toEqual([1]);
    hung.resolve([1]);
    await turn();
    expect(second.outcome).toEqual({ value: 1 });
  });

  it('refuses an item when maxQueue wait', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn, { name: 'writes', maxSize: 2, maxQueue: 3 });
    const accepted = [1, 2, 3, 4, 5].map((item) => watch(batcher.submit(item)));
    await expect(batcher.submit(6)).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      queue: 'writes',
      capacity: 3,
    });
    calls[0]?.result.resolve([1, 2]);
    await turn();
    calls[1]?.result.resolve([3, 4]);
    await turn();
    calls[2]?.result.resolve([5]);
    await turn();
    expect(accepted.map(({ outcome }) => outcome)).toEqual([1, 2, 3, 4, 5].map((value) => ({ value })));
  });

  it('says of each call how many items it had', async () => {
    const events: HoldfastEvent[] = [];
    using subscription = subscribe((event) => events.push(event));
    void subscription;
    const batcher = new Batcher(
      (items: readonly number[]) => items.map((item) => (item < 0 ? new Error('no') : item)),
      {
        name: 'writes',
      },
    );
    await Promise.allSettled([batcher.submit(1), batcher.submit(-1), turn()]);
    expect(events).toMatchObject([
      { type: 'batch.done', name: 'writes', data: { processed: 2, errors: 1, cancelled: 0 } },
    ]);
  });
});

describe('Batcher: outcomes', () => {
  it('rejects one item by an Error among the results, and the others not', async () => {
    const batcher = new Batcher((items: readonly number[]) =>
      items.map((item) => (item === 2 ? new Error('not found') : item)),
    );
    expectTypeOf(batcher).toEqualTypeOf<Batcher<number, number>>();
    const results = [1, 2, 3].map((item) => watch(batcher.submit(item)));
    await turn();
    expect(results.map(({ outcome }) => outcome)).toEqual([
      { value: 1 },
      { error: new Error('not found') },
      { value: 3 },
    ]);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('down'))],
    [
      'throws',
      () => {
        throw new Error('down');
      },
    ],
  ])('rejects all items when the call %s, and goes on', async (_, fail) => {
    let calls = 0;
    const batcher = new Batcher<number, number>((items) => {
      calls += 1;
      return calls === 1 ? fail() : items;
    });
    const results = [1, 2].map((item) => watch(batcher.submit(item)));
    await turn();
    expect(results.map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 2 }, () => ({ error: new Error('down') })),
    );
    const next = watch(batcher.submit(3));
    await turn();
    expect(next.outcome).toEqual({ value: 3 });
  });

  it.each([
    [[1], 'Batcher "writes" got 1 results for 2 items'],
    [[1, 2, 3], 'Batcher "writes" got 3 results for 2 items'],
    [undefined, 'Batcher "writes" got undefined for 2 items'],
  ])('rejects all items when the call gives %o', async (given, message) => {
    const batcher = new Batcher<number, number>(() => given as number[], { name: 'writes' });
    const results = [1, 2].map((item) => watch(batcher.submit(item)));
    await turn();
    expect(results.map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 2 }, () => ({ error: new TypeError(message) })),
    );
  });

  it('takes undefined for a result', async () => {
    const batcher = new Batcher<number, undefined>((items) => items.map(() => undefined));
    const result = watch(batcher.submit(1));
    await turn();
    expect(result.outcome).toEqual({ value: undefined });
  });
});

describe('Batcher: keyBy', () => {
  it('makes one item of those that wait under one key, with one outcome for all', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { keyBy: (item) => item % 10 });
    const results = Promise.all([1, 2, 11, 1].map((item) => batcher.submit(item)));
    await turn();
    expect(await results).toEqual([2, 4, 2, 2]);
    expect(calls).toEqual([[1, 2]]);
  });

  it('does not join what runs already', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn, { keyBy: (item) => item, concurrency: 2 });
    const results = [batcher.submit(1)];
    await turn();
    results.push(batcher.submit(1));
    await turn();
    expect(calls).toHaveLength(2);
    calls[0]?.result.resolve([10]);
    calls[1]?.result.resolve([20]);
    expect(await Promise.all(results)).toEqual([10, 20]);
  });

  it('counts one item against maxQueue and maxSize', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { keyBy: (item) => item, maxSize: 2, maxQueue: 2 });
    const results = Promise.all([1, 1, 1, 1].map((item) => batcher.submit(item)));
    await turn();
    await results;
    expect(calls).toEqual([[1]]);
  });

  it('rejects the submit whose key it cannot tell', async () => {
    const batcher = new Batcher((items: readonly number[]) => items, {
      keyBy: () => {
        throw new Error('no key');
      },
    });
    await expect(batcher.submit(1)).rejects.toThrow('no key');
    expect(batcher.stats()).toMatchObject({ waiting: 0 });
  });
});

describe('Batcher: callers who leave', () => {
  it('lets a caller go at once with the reason, and takes out his item while it waits', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn);
    const controller = new AbortController();
    const leaving = watch(batcher.submit(1, { signal: controller.signal }));
    const staying = watch(batcher.submit(2));
    controller.abort('left');
    await turn();
    expect(leaving.outcome).toEqual({ error: 'left' });
    expect(staying.outcome).toEqual({ value: 4 });
    expect(calls).toEqual([[2]]);
  });

  it('makes no call when all have left', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { maxWaitMs: 50 });
    const controller = new AbortController();
    const leaving = watch(batcher.submit(1, { signal: controller.signal }));
    controller.abort('left');
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(100);
    expect(leaving.outcome).toEqual({ error: 'left' });
    expect(calls).toEqual([]);
  });

  it('keeps a shared item for those who stay', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { keyBy: (item) => item });
    const controller = new AbortController();
    const leaving = watch(batcher.submit(1, { signal: controller.signal }));
    const staying = watch(batcher.submit(1));
    controller.abort('left');
    await turn();
    expect([leaving.outcome, staying.outcome]).toEqual([{ error: 'left' }, { value: 2 }]);
    expect(calls).toEqual([[1]]);
  });

  it('aborts a running call when the last who waits for it has left', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn);
    const [one, other] = [new AbortController(), new AbortController()];
    const results = [
      watch(batcher.submit(1, { signal: one.signal })),
      watch(batcher.submit(2, { signal: other.signal })),
    ];
    await turn();
    const signal = calls[0]?.ctx.signal;
    one.abort('left');
    expect(signal?.aborted).toBe(false);
    other.abort('left too');
    expect(signal?.reason).toBe('left too');
    await turn();
    expect(results.map(({ outcome }) => outcome)).toEqual([{ error: 'left' }, { error: 'left too' }]);
    calls[0]?.result.reject(new Error('late, and swallowed'));
    await turn();
  });

  it('rejects one whose deadline passes, or who left before he came', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn);
    const late = watch(batcher.submit(1, { deadline: Deadline.after(50) }));
    await vi.advanceTimersByTimeAsync(50);
    expect(late.outcome).toMatchObject({ error: { code: 'TIMEOUT', kind: 'deadline' } });
    await expect(batcher.submit(2, { deadline: Deadline.after(0) })).rejects.toMatchObject({
      kind: 'deadline',
    });
    await expect(batcher.submit(2, { signal: AbortSignal.abort('left') })).rejects.toBe('left');
    calls[0]?.result.resolve([1]);
    await turn();
    expect(calls).toHaveLength(1);
  });

  it('leaves nothing on a signal that outlives ten thousand submits', async () => {
    const { fn } = doubling();
    const batcher = new Batcher(fn, { maxQueue: Infinity });
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const results = Promise.all(
      Array.from({ length: 10_000 }, (_, item) => batcher.submit(item, { signal })),
    );
    await turn();
    expect(await results).toHaveLength(10_000);
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
  });
});

describe('Batcher: the four verbs', () => {
  it('sends what waits at once with flush, which resolves when that has its outcome and never rejects', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn, { maxSize: 2, maxWaitMs: 60_000 });
    const results = [1, 2, 3].map((item) => watch(batcher.submit(item)));
    const flushed = watch(batcher.flush());
    const after = watch(batcher.submit(4));
    calls[0]?.result.resolve([1, 2]);
    await turn();
    expect([calls.length, flushed.outcome]).toEqual([2, 'pending']);
    calls[1]?.result.reject(new Error('down'));
    await turn();
    expect(flushed.outcome).toEqual({ value: undefined });
    expect(results[2]?.outcome).toEqual({ error: new Error('down') });
    batcher.cancel('enough');
    await turn();
    expect(after.outcome).not.toBe('pending');
    await batcher.flush();
  });

  it('accepts no more once closed, and sends what waits', async () => {
    const { fn, calls } = doubling();
    const batcher = new Batcher(fn, { name: 'writes', maxWaitMs: 60_000 });
    const waiting = batcher.submit(1);
    batcher.close();
    batcher.close();
    await expect(batcher.submit(2)).rejects.toMatchObject({ code: 'QUEUE_CLOSED', queue: 'writes' });
    expect(await waiting).toBe(2);
    expect(calls).toEqual([[1]]);
  });

  it('sends what waits and waits for it with drain, and closes nothing', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn, { maxWaitMs: 60_000 });
    const result = batcher.submit(1);
    expect(await batcher.drain({ timeoutMs: 0 })).toEqual({ drained: false, left: 1, leaked: [] });
    const drained = watch(batcher.drain());
    await turn();
    expect(drained.outcome).toBe('pending');
    calls[0]?.result.resolve([1]);
    await result;
    await turn();
    expect(drained.outcome).toEqual({ value: { drained: true, left: 0, leaked: [] } });
  });

  it('rejects all who wait and aborts what runs with cancel', async () => {
    const { fn, calls } = stepwise();
    const batcher = new Batcher(fn, { maxWaitMs: 50 });
    const running = watch(batcher.submit(1));
    await vi.advanceTimersByTimeAsync(50);
    const waiting = watch(batcher.submit(2));
    batcher.cancel('enough');
    expect(calls[0]?.ctx.signal.reason).toBe('enough');
    const drained = watch(batcher.drain());
    await turn();
    expect([running.outcome, waiting.outcome, drained.outcome]).toEqual([
      { error: 'enough' },
      { error: 'enough' },
      'pending',
    ]);
    calls[0]?.result.resolve([1]);
    await turn();
    expect(drained.outcome).toMatchObject({ value: { drained: true } });
    const again = watch(batcher.submit(3));
    batcher.cancel();
    await turn();
    expect(again.outcome).toMatchObject({ error: { name: 'AbortError' } });
  });

  it('closes and waits when it is disposed', async () => {
    const { fn, calls } = doubling();
    const results: Promise<number>[] = [];
    {
      await using batcher = new Batcher(fn, { maxWaitMs: 60_000 });
      results.push(batcher.submit(1));
    }
    expect(await Promise.all(results)).toEqual([2]);
    expect(calls).toEqual([[1]]);
  });

  it('asks at the door of its service, and runs its calls as work of it', async () => {
    const owner = {};
    let shut = false;
    const door: Door = {
      owner,
      refusal: (options) =>
        shut && !executionOf(options)?.isOwnedBy(owner) ? new ShuttingDownError('relay') : undefined,
      signalAt: () => new AbortController().signal,
    };
    const contexts: WorkContext[] = [];
    const batcher = new Batcher((items: readonly number[], ctx) => (contexts.push({ ...ctx }), items));
    batcher[ADOPT](door);
    const before = batcher.submit(1);
    await turn();
    expect(await before).toBe(1);
    shut = true;
    await expect(batcher.submit(2)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    const tracked = batcher.submit(3, contexts[0]);
    await turn();
    expect(await tracked).toBe(3);
  });
});

describe('Batcher: context and cost', () => {
  it('runs its calls in the asynchronous context of whoever made it, and callers keep theirs', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const batcher = storage.run(
      'maker',
      () => new Batcher((items: readonly number[]) => (seen.push(storage.getStore()), items), { maxSize: 2 }),
    );
    const submit = async (item: number): Promise<void> => {
      await batcher.submit(item);
      seen.push(storage.getStore());
    };
    await Promise.all([storage.run('a', () => submit(1)), storage.run('b', () => submit(2))]);
    expect(seen).toEqual(['maker', 'a', 'b']);
    await turn();
  });

  it('costs no timer and no controller before it is used, and no controller where nobody reads the signal', async () => {
    const controllers = vi.spyOn(globalThis, 'AbortController');
    const { fn } = doubling();
    const batcher = new Batcher(fn);
    expect(vi.getTimerCount()).toBe(0);
    const result = batcher.submit(1);
    await turn();
    await result;
    expect(controllers).not.toHaveBeenCalled();
  });

  it('gives every submit its own outcome once, in whatever order callers come and leave and calls end', async () => {
    vi.useRealTimers();
    const step = fc.record({
      item: fc.integer({ min: 0, max: 9 }),
      leaves: fc.constantFrom('never', 'at once', 'later'),
      pause: fc.constantFrom('none', 'microtask', 'turn'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(1, 2, Infinity),
        fc.boolean(),
        async (steps, maxSize, concurrency, keyed) => {
          let running = 0;
          let bulk = 0;
          const batcher = new Batcher<number, string>(
            async (items) => {
              running += 1;
              bulk += 1;
              const call = bulk;
              expect(running).toBeLessThanOrEqual(concurrency);
              expect(items.length).toBeLessThanOrEqual(maxSize);
              if (keyed) expect(new Set(items).size).toBe(items.length);
              if (call % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
              running -= 1;
              if (call % 4 === 0) throw new Error('down');
              return items.map((item) => (item === 7 ? new Error('seven') : `${item}`));
            },
            { maxSize, concurrency, maxQueue: Infinity, keyBy: keyed ? (item) => item : undefined },
          );
          const results: Promise<void>[] = [];
          for (const { item, leaves, pause } of steps) {
            const controller = new AbortController();
            const check = async (): Promise<void> => {
              try {
                expect(await batcher.submit(item, { signal: controller.signal })).toBe(`${item}`);
              } catch (error) {
                if (error === 'left') expect(leaves).not.toBe('never');
                else
                  expect((error as Error).message).toBe(
                    item === 7 && (error as Error).message !== 'down' ? 'seven' : 'down',
                  );
              }
            };
            results.push(check());
            if (leaves === 'at once') controller.abort('left');
            if (leaves === 'later') setImmediate(() => controller.abort('left'));
            if (pause === 'microtask') await Promise.resolve();
            if (pause === 'turn') await new Promise((resolve) => setImmediate(resolve));
          }
          await Promise.all(results);
          expect(await batcher.drain()).toEqual({ drained: true, left: 0, leaked: [] });
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('Batcher: options', () => {
  it.each([
    [undefined, {}, 'ERR_INVALID_ARG_TYPE'],
    [() => [], null, 'ERR_INVALID_ARG_TYPE'],
    [() => [], { maxSize: 0 }, 'ERR_OUT_OF_RANGE'],
    [() => [], { maxSize: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [() => [], { maxWaitMs: -1 }, 'ERR_OUT_OF_RANGE'],
    [() => [], { maxQueue: 50 }, 'ERR_OUT_OF_RANGE'],
    [() => [], { concurrency: 0.5 }, 'ERR_OUT_OF_RANGE'],
    [() => [], { keyBy: 'id' }, 'ERR_INVALID_ARG_TYPE'],
    [() => [], { name: '' }, 'ERR_OUT_OF_RANGE'],
    [() => [], { size: 5 }, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %o, %o when it is made', (fn, options, code) => {
    expect(() => new Batcher(fn as never, options as never)).toThrow(expect.objectContaining({ code }));
  });

  it('rejects bad options of a submit', async () => {
    const batcher = new Batcher((items: readonly number[]) => items);
    await expect(batcher.submit(1, { signal: 5 as never })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});
