import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  Deadline,
  TimeoutError,
  runBatch,
  subscribe,
  withTimeout,
  type BatchContext,
  type HoldfastEvent,
} from '../../src/index.ts';
import { EXECUTION, Execution } from '../../src/internal.ts';
import { defer, watch, type Deferred } from '../queue/watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  if (vi.isFakeTimers()) expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const sleepMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const untilAbort = ({ signal }: BatchContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

/** Work whose calls the test settles one by one. */
function stepwise(): { work: (item: number) => Promise<number>; calls: Map<number, Deferred<number>> } {
  const calls = new Map<number, Deferred<number>>();
  return {
    calls,
    work: (item) => {
      const call = defer<number>();
      calls.set(item, call);
      return call.promise;
    },
  };
}

const silent = (): void => {};
const echo = async <T>(item: T): Promise<T> => item;
const all = async <T>(items: Iterable<T>): Promise<T[]> => (await runBatch(items, echo)).orThrow();

/** A source that counts what was asked of it. */
function counted(
  length: number,
  asynchronous = false,
): { items: AsyncIterable<number> & Iterable<number>; pulled: () => number; returned: () => number } {
  let pulled = 0;
  let returned = 0;
  const next = (): IteratorResult<number> => {
    if (pulled === length) return { done: true, value: undefined };
    pulled += 1;
    return { done: false, value: pulled };
  };
  const finish = (): IteratorResult<number> => {
    returned += 1;
    return { done: true, value: undefined };
  };
  const items = asynchronous
    ? { [Symbol.asyncIterator]: () => ({ next: async () => next(), return: async () => finish() }) }
    : { [Symbol.iterator]: () => ({ next, return: finish }) };
  return { items: items as never, pulled: () => pulled, returned: () => returned };
}

describe('runBatch: results', () => {
  it('keeps successes and errors apart, each in the order of the input', async () => {
    const result = await Promise.all([
      runBatch([30, 20, 10, -1, 5, -2], async (item) => {
        await sleepMs(Math.abs(item));
        if (item < 0) throw new Error(`no ${item}`);
        return item * 2;
      }),
      vi.advanceTimersByTimeAsync(100),
    ]).then(([first]) => first);
    expect(result.successes).toEqual([
      { index: 0, item: 30, value: 60 },
      { index: 1, item: 20, value: 40 },
      { index: 2, item: 10, value: 20 },
      { index: 4, item: 5, value: 10 },
    ]);
    expect(result.errors).toEqual([
      { index: 3, item: -1, error: new Error('no -1') },
      { index: 5, item: -2, error: new Error('no -2') },
    ]);
    expect(result).toMatchObject({ cancelled: [], abortReason: undefined });
  });

  it('takes synchronous results, synchronous throws and values that are no Error', async () => {
    const { successes, errors } = await runBatch([1, 2, 3], (item) => {
      if (item === 2) throw undefined;
      return item;
    });
    expect(successes.map(({ value }) => value)).toEqual([1, 3]);
    expect(errors).toEqual([{ index: 1, item: 2, error: undefined }]);
  });

  it('takes any iterable, an empty one, a string, a set, an array with holes and one that grows', async () => {
    expect(await all([])).toEqual([]);
    expect(await all('abc')).toEqual(['a', 'b', 'c']);
    expect(await all(new Set([1, 2]))).toEqual([1, 2]);
    const holes: (number | undefined)[] = [1];
    holes[2] = 3;
    expect(await all(holes)).toEqual([1, undefined, 3]);
    const growing = [1];
    await runBatch(growing, (item) => void (item < 3 && growing.push(item + 1)));
    expect(growing).toEqual([1, 2, 3]);
  });

  it('gives the values in order, or throws what there is to throw, with orThrow', async () => {
    expect((await runBatch([1, 2], (item) => item * 2)).orThrow()).toEqual([2, 4]);
    const failed = await runBatch([1, 2, 3], (item) =>
      item > 1 ? Promise.reject(new Error(`no ${item}`)) : item,
    );
    expect(() => failed.orThrow()).toThrow(
      expect.objectContaining({
        name: 'AggregateError',
        message: '2 of 3 items failed',
        errors: [new Error('no 2'), new Error('no 3')],
        cause: new Error('no 2'),
      }),
    );
    const aborted = await runBatch([1], () => 1, { signal: AbortSignal.abort('left') });
    expect(() => aborted.orThrow()).toThrow('left');
  });

  it('infers the types of items and values', async () => {
    const result = await runBatch(['a'], async (item, { index }) => ({ item, index }));
    expectTypeOf(result.successes[0]).toEqualTypeOf<
      | { readonly index: number; readonly item: string; readonly value: { item: string; index: number } }
      | undefined
    >();
    expectTypeOf(result.orThrow()).toEqualTypeOf<{ item: string; index: number }[]>();
  });

  it('says how many were processed, failed and were cancelled', async () => {
    const events: HoldfastEvent[] = [];
    using subscription = subscribe((event) => events.push(event));
    void subscription;
    await runBatch([1, 2, 3], (item) => (item === 2 ? Promise.reject(new Error('no')) : item), {
      name: 'import',
    });
    expect(events).toMatchObject([
      { type: 'batch.done', name: 'import', data: { processed: 3, errors: 1, cancelled: 0 } },
    ]);
  });
});

describe('runBatch: concurrency and laziness', () => {
  it('works on ten items at a time by default', async () => {
    const { work, calls } = stepwise();
    const batch = watch(
      runBatch(
        Array.from({ length: 25 }, (_, item) => item),
        work,
      ),
    );
    await settled();
    expect(calls.size).toBe(10);
    for (let item = 0; item < 25; item += 1) {
      calls.get(item)?.resolve(item);
      await settled();
    }
    expect(batch.outcome).toMatchObject({ value: { errors: [] } });
  });

  it.each([false, true])(
    'pulls no item before there is a slot for it (asynchronous source: %s)',
    async (asynchronous) => {
      const { work, calls } = stepwise();
      const { items, pulled } = counted(10, asynchronous);
      const batch = watch(runBatch(items, work, { concurrency: 3 }));
      await settled();
      expect(pulled()).toBe(3);
      calls.get(2)?.resolve(2);
      await settled();
      expect(pulled()).toBe(4);
      for (let item = 1; item <= 10; item += 1) {
        calls.get(item)?.resolve(item);
        await settled();
      }
      expect(batch.outcome).toMatchObject({ value: { successes: { length: 10 } } });
    },
  );

  it('asks an asynchronous source for one item at a time', async () => {
    let asking = 0;
    let most = 0;
    let item = 0;
    const items: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        async next() {
          asking += 1;
          most = Math.max(most, asking);
          await sleepMs(1);
          asking -= 1;
          item += 1;
          return item > 20 ? { done: true, value: undefined } : { done: false, value: item };
        },
      }),
    };
    const batch = runBatch(items, () => sleepMs(10), { concurrency: 5 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await batch).successes).toHaveLength(20);
    expect(most).toBe(1);
  });

  it('starts everything with Infinity', async () => {
    const { work, calls } = stepwise();
    void runBatch(
      Array.from({ length: 100 }, (_, item) => item),
      work,
      { concurrency: Infinity },
    );
    await settled();
    expect(calls.size).toBe(100);
  });

  it('lets timers have their turn although the work never waits for anything', async () => {
    vi.useRealTimers();
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 1);
    const { successes } = await runBatch(Array.from({ length: 300_000 }), silent);
    clearInterval(timer);
    expect(successes).toHaveLength(300_000);
    expect(ticks).toBeGreaterThan(0);
  });

  it('does not call return on a source that has ended', async () => {
    for (const asynchronous of [false, true]) {
      const { items, returned } = counted(3, asynchronous);
      await runBatch(items, () => 1);
      expect(returned()).toBe(0);
    }
  });
});

describe('runBatch: context', () => {
  it('tells the index, also of items far down a long batch, and survives being spread', async () => {
    const items = Array.from({ length: 300 }, (_, index) => index);
    const contexts: BatchContext[] = [];
    await runBatch(items, (_, ctx) => void contexts.push(ctx));
    expect(contexts.map(({ index }) => index)).toEqual(items);
    for (const ctx of [contexts[0], contexts[299]]) {
      const spread = { ...ctx, maxWaitMs: 5 };
      expect(Object.keys(spread).toSorted()).toEqual(['deadline', 'index', 'maxWaitMs', 'signal']);
      expect(spread.signal).toBeInstanceOf(AbortSignal);
      expect(spread.signal?.aborted).toBe(false);
    }
  });

  it('makes no controller for a short batch whose signals nobody reads, and one for a long one', async () => {
    const controllers = vi.spyOn(globalThis, 'AbortController');
    await runBatch(Array.from({ length: 64 }), async () => 1);
    expect(controllers).not.toHaveBeenCalled();
    await runBatch(Array.from({ length: 10_000 }), async () => 1);
    expect(controllers).toHaveBeenCalledTimes(1);
  });

  it('leaves no listener on a signal that outlives ten thousand batches', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 10_000 }, () => runBatch([1], async () => 1, { signal })));
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
  });

  it('is the asynchronous context of the caller', async () => {
    vi.useRealTimers();
    const storage = new AsyncLocalStorage<string>();
    const seen = new Set<unknown>();
    const source = (async function* () {
      for (let item = 0; item < 50; item += 1) {
        await turn();
        yield item;
      }
    })();
    await storage.run('caller', () =>
      runBatch(source, async () => {
        seen.add(storage.getStore());
        await storage.run('inside', () => turn());
      }),
    );
    expect([...seen]).toEqual(['caller']);
  });
});

describe('runBatch: stopOnError', () => {
  it('pulls no more after the first failure, aborts what runs, waits for it, and resolves', async () => {
    const { items, pulled, returned } = counted(100);
    const slow = defer<string>();
    const reasons: unknown[] = [];
    const error = new Error('no');
    const batch = watch(
      runBatch(
        items,
        (item, ctx) => {
          ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason));
          if (item === 1) return sleepMs(10).then(() => Promise.reject(error));
          return item === 2 ? slow.promise : untilAbort(ctx);
        },
        { concurrency: 3, stopOnError: true },
      ),
    );
    await vi.advanceTimersByTimeAsync(10);
    expect(reasons[0]).toMatchObject({ code: 'SIBLING_FAILED', cause: error });
    expect([pulled(), returned(), batch.outcome]).toEqual([3, 1, 'pending']);
    slow.resolve('finished in spite of it');
    await settled();
    expect(batch.outcome).toEqual({
      value: expect.objectContaining({
        successes: [{ index: 1, item: 2, value: 'finished in spite of it' }],
        errors: [{ index: 0, item: 1, error }],
        cancelled: [{ index: 2, item: 3 }],
        abortReason: reasons[0],
      }),
    });
  });

  it('counts another failure of what was aborted as an error of its own', async () => {
    const { errors, cancelled } = await runBatch(
      [1, 2],
      (item, { signal }) =>
        item === 1
          ? Promise.reject(new Error('first'))
          : new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('second')))),
      { stopOnError: true },
    );
    expect(errors.map(({ error }) => error)).toEqual([new Error('first'), new Error('second')]);
    expect(cancelled).toEqual([]);
  });
});

describe('runBatch: abort and deadline', () => {
  it.each([false, true])(
    'resolves with what became of every item it pulled when its caller leaves (asynchronous source: %s)',
    async (asynchronous) => {
      const controller = new AbortController();
      const { items, pulled, returned } = counted(100, asynchronous);
      const batch = watch(
        runBatch(items, (item, ctx) => (item < 3 ? item : untilAbort(ctx)), {
          concurrency: 2,
          signal: controller.signal,
        }),
      );
      await settled();
      controller.abort('left');
      await settled();
      expect(batch.outcome).toEqual({
        value: expect.objectContaining({
          successes: [
            { index: 0, item: 1, value: 1 },
            { index: 1, item: 2, value: 2 },
          ],
          errors: [],
          cancelled: [
            { index: 2, item: 3 },
            { index: 3, item: 4 },
          ],
          abortReason: 'left',
        }),
      });
      expect([pulled(), returned()]).toEqual([4, 1]);
    },
  );

  it('pulls and calls nothing for a caller who has left already, or a deadline that has passed', async () => {
    const work = vi.fn();
    const { items, pulled } = counted(3);
    const left = await runBatch(items, work, { signal: AbortSignal.abort('left') });
    const late = await runBatch(items, work, { deadline: Deadline.after(0) });
    expect(left).toMatchObject({ successes: [], errors: [], cancelled: [], abortReason: 'left' });
    expect(late.abortReason).toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    expect(pulled()).toBe(0);
    expect(work).not.toHaveBeenCalled();
  });

  it('ends when its deadline passes', async () => {
    const deadline = Deadline.after(100);
    const seen: unknown[] = [];
    const batch = watch(
      runBatch(
        [1, 2],
        (_, ctx) => {
          seen.push(ctx.deadline);
          return untilAbort(ctx);
        },
        { deadline },
      ),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(seen).toEqual([deadline, deadline]);
    expect(batch.outcome).toMatchObject({
      value: { cancelled: { length: 2 }, abortReason: { code: 'TIMEOUT', kind: 'deadline' } },
    });
  });

  it('waits for work that ignores its abort, but for a source that does only a tenth of a second', async () => {
    const controller = new AbortController();
    const stubborn = defer<number>();
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => {
        let asked = 0;
        return {
          next: () => {
            asked += 1;
            return asked === 1 ? Promise.resolve({ done: false, value: 1 }) : new Promise(() => {});
          },
          return: () => new Promise(() => {}),
        };
      },
    };
    const batch = watch(runBatch(source, () => stubborn.promise, { signal: controller.signal }));
    await settled();
    controller.abort('left');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(batch.outcome).toBe('pending');
    stubborn.resolve(5);
    await settled();
    expect(batch.outcome).toMatchObject({ value: { successes: [{ index: 0, item: 1, value: 5 }] } });
  });

  it('counts as cancelled an item that was being pulled when it was aborted', async () => {
    const controller = new AbortController();
    const pulled = defer<IteratorResult<number>>();
    const first = defer();
    let asked = 0;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          asked += 1;
          return asked === 1 ? Promise.resolve({ done: false, value: 1 }) : pulled.promise;
        },
      }),
    };
    const work = vi.fn(() => first.promise);
    const batch = watch(runBatch(source, work, { signal: controller.signal }));
    await settled();
    controller.abort('left');
    pulled.resolve({ done: false, value: 2 });
    await settled();
    first.resolve();
    await settled();
    expect(work).toHaveBeenCalledTimes(1);
    expect(batch.outcome).toMatchObject({ value: { cancelled: [{ index: 1, item: 2 }] } });
  });

  it('is aborted by its own work', async () => {
    const controller = new AbortController();
    const result = await runBatch(
      [1, 2, 3],
      (item) => {
        if (item === 1) controller.abort('enough');
        return item;
      },
      { signal: controller.signal, concurrency: 1 },
    );
    expect(result).toMatchObject({ successes: [{ index: 0, item: 1, value: 1 }], abortReason: 'enough' });
  });
});

describe('runBatch: a source that fails', () => {
  it.each([false, true])(
    'is an error of index -1, after which nothing is pulled (asynchronous: %s)',
    async (asynchronous) => {
      const error = new Error('cursor lost');
      const source = asynchronous
        ? (async function* () {
            yield 1;
            yield 2;
            throw error;
          })()
        : (function* () {
            yield 1;
            yield 2;
            throw error;
          })();
      const batch = watch(runBatch(source, async (item) => sleepMs(10).then(() => item), { concurrency: 5 }));
      await vi.advanceTimersByTimeAsync(10);
      expect(batch.outcome).toMatchObject({
        value: {
          successes: [{ value: 1 }, { value: 2 }],
          errors: [{ index: -1, item: undefined, error }],
          abortReason: undefined,
        },
      });
    },
  );

  it('ends the batch under stopOnError', async () => {
    const error = new Error('cursor lost');
    const source = (function* () {
      yield 1;
      throw error;
    })();
    const { cancelled, abortReason } = await runBatch(source, (_, ctx) => untilAbort(ctx), {
      stopOnError: true,
    });
    expect(cancelled).toEqual([{ index: 0, item: 1 }]);
    expect(abortReason).toMatchObject({ code: 'SIBLING_FAILED', cause: error });
  });

  it('reports what its return throws and resolves all the same', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const controller = new AbortController();
    const source: Iterable<number> = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 1 }),
        return: () => {
          throw new Error('cursor stuck');
        },
      }),
    };
    const batch = runBatch(source, (_, ctx) => untilAbort(ctx), {
      concurrency: 1,
      signal: controller.signal,
    });
    controller.abort('left');
    expect((await batch).abortReason).toBe('left');
    expect(reported).toHaveBeenCalledExactlyOnceWith(new Error('cursor stuck'));
  });
});

describe('runBatch: itemTimeoutMs', () => {
  it('records the error of an item at once, aborts it, and holds its slot until it has settled', async () => {
    const hung = defer();
    const started: number[] = [];
    const reasons: unknown[] = [];
    const batch = watch(
      runBatch(
        [1, 2, 3],
        (item, { signal }) => {
          started.push(item);
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          return item === 1 ? hung.promise : undefined;
        },
        { concurrency: 1, itemTimeoutMs: 100, name: 'import' },
      ),
    );
    await vi.advanceTimersByTimeAsync(500);
    expect(reasons).toEqual([expect.any(TimeoutError)]);
    expect([started, batch.outcome]).toEqual([[1], 'pending']);
    hung.resolve();
    await settled();
    expect(started).toEqual([1, 2, 3]);
    expect(batch.outcome).toMatchObject({
      value: {
        successes: [{ item: 2 }, { item: 3 }],
        errors: [{ index: 0, error: { code: 'TIMEOUT', kind: 'total', timeoutMs: 100 } }],
      },
    });
  });

  it('ends the batch when every item has an outcome, though one still runs', async () => {
    const batch = watch(
      runBatch([1, 2], (item) => (item === 1 ? new Promise(() => {}) : item), { itemTimeoutMs: 50 }),
    );
    await vi.advanceTimersByTimeAsync(50);
    expect(batch.outcome).toMatchObject({ value: { successes: [{ item: 2 }], errors: [{ item: 1 }] } });
  });

  it('tells the work its deadline, the smaller of the two', async () => {
    const seen: (number | undefined)[] = [];
    const work = (_: number, ctx: BatchContext): void => void seen.push(ctx.deadline?.remainingMs);
    await runBatch([1], work, { itemTimeoutMs: 50 });
    await runBatch([1], work, { itemTimeoutMs: 50, deadline: Deadline.after(20) });
    await runBatch([1], work, { itemTimeoutMs: 50, deadline: Deadline.after(90) });
    expect(seen).toEqual([50, 20, 50]);
  });

  it('cancels items that obey, and waits for those that do not, when the batch is aborted', async () => {
    const controller = new AbortController();
    const stubborn = defer();
    const batch = watch(
      runBatch([1, 2], (item, ctx) => (item === 1 ? untilAbort(ctx) : stubborn.promise), {
        itemTimeoutMs: 1_000,
        signal: controller.signal,
      }),
    );
    await settled();
    controller.abort('left');
    await settled();
    expect(batch.outcome).toBe('pending');
    stubborn.resolve();
    await settled();
    expect(batch.outcome).toMatchObject({ value: { cancelled: [{ item: 1 }], successes: [{ item: 2 }] } });
  });
});

describe('runBatch: limits that are true', () => {
  it('holds a slot while something runs that the work gave up, and tells the execution around', async () => {
    const hung = defer();
    const parent = new Execution(undefined);
    const started: number[] = [];
    const options = { concurrency: 1, [EXECUTION]: parent };
    const batch = watch(
      runBatch(
        [1, 2],
        async (item, ctx) => {
          started.push(item);
          if (item === 1) await withTimeout(() => hung.promise, { ...ctx, timeoutMs: 10 });
        },
        options,
      ),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect([started, parent.abandoned, batch.outcome]).toEqual([[1], 1, 'pending']);
    hung.resolve();
    await settled();
    expect(started).toEqual([1, 2]);
    expect(batch.outcome).toMatchObject({ value: { errors: [{ item: 1 }], successes: [{ item: 2 }] } });
  });

  it('never exceeds its concurrency and gives every item one outcome, whatever the work does', async () => {
    vi.useRealTimers();
    const kinds = fc.constantFrom('value', 'throw', 'reject', 'microtask', 'turn', 'hang', 'abort');
    await fc.assert(
      fc.asyncProperty(
        fc.array(kinds, { maxLength: 60 }),
        fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(Infinity)),
        fc.boolean(),
        fc.boolean(),
        async (items, concurrency, stopOnError, asynchronous) => {
          const controller = new AbortController();
          let running = 0;
          let most = 0;
          let pulled = 0;
          const one = function* (): Generator<string> {
            for (const item of items) {
              pulled += 1;
              yield item;
            }
          };
          const source = asynchronous
            ? (async function* (): AsyncGenerator<string> {
                yield* one();
              })()
            : one();
          const result = await runBatch(
            source,
            async (kind, ctx) => {
              running += 1;
              most = Math.max(most, running);
              try {
                if (kind === 'throw' || kind === 'reject') throw new Error(kind);
                if (kind === 'microtask') await Promise.resolve();
                if (kind === 'turn') await turn();
                if (kind === 'abort') controller.abort('left');
                if (kind === 'hang' && (stopOnError || items.includes('abort'))) {
                  setImmediate(() => controller.abort('left'));
                  if (!ctx.signal.aborted) await untilAbort(ctx);
                  throw ctx.signal.reason;
                }
                return kind;
              } finally {
                running -= 1;
              }
            },
            { concurrency, stopOnError, signal: controller.signal },
          );
          expect(most).toBeLessThanOrEqual(concurrency);
          expect(running).toBe(0);
          const all = [...result.successes, ...result.errors, ...result.cancelled].map(({ index }) => index);
          expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: pulled }, (_, index) => index));
          for (const list of [result.successes, result.errors, result.cancelled]) {
            const order = list.map(({ index }) => index);
            expect(order).toEqual(order.toSorted((a, b) => a - b));
            for (const { index, item } of list) expect(item).toBe(items[index]);
          }
          if (result.abortReason === undefined) expect(pulled).toBe(items.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('runBatch: arguments', () => {
  it.each([
    [5, silent, {}, 'ERR_INVALID_ARG_TYPE'],
    [null, silent, {}, 'ERR_INVALID_ARG_TYPE'],
    [{}, silent, {}, 'ERR_INVALID_ARG_TYPE'],
    [[], undefined, {}, 'ERR_INVALID_ARG_TYPE'],
    [[], silent, null, 'ERR_INVALID_ARG_TYPE'],
    [[], silent, { concurrency: 0 }, 'ERR_OUT_OF_RANGE'],
    [[], silent, { concurrency: 2.5 }, 'ERR_OUT_OF_RANGE'],
    [[], silent, { concurrency: '2' }, 'ERR_INVALID_ARG_TYPE'],
    [[], silent, { itemTimeoutMs: 0 }, 'ERR_OUT_OF_RANGE'],
    [[], silent, { stopOnError: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [[], silent, { name: '' }, 'ERR_OUT_OF_RANGE'],
    [[], silent, { signal: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [[], silent, { deadline: 1_000 }, 'ERR_INVALID_ARG_TYPE'],
  ])('rejects %o, %o, %o', async (items, work, options, code) => {
    await expect(runBatch(items as never, work as never, options as never)).rejects.toMatchObject({ code });
  });
});
