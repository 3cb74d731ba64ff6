import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  Deadline,
  streamBatch,
  subscribe,
  type BatchContext,
  type BatchOutcome,
  type HoldfastEvent,
} from '../../src/index.ts';
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
const END = { done: true, value: undefined };
const untilAbort = ({ signal }: BatchContext): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

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

/** Numbers from 1 up, and how many were pulled. */
function numbers(length: number): {
  items: Generator<number>;
  pulled: () => number;
  returned: () => boolean;
} {
  let pulled = 0;
  let returned = false;
  const items = (function* () {
    try {
      for (let item = 1; item <= length; item += 1) {
        pulled = item;
        yield item;
      }
    } finally {
      returned = true;
    }
  })();
  return { items, pulled: () => pulled, returned: () => returned };
}

async function collect<I, O>(stream: AsyncIterable<BatchOutcome<I, O>>): Promise<BatchOutcome<I, O>[]> {
  const outcomes: BatchOutcome<I, O>[] = [];
  for await (const outcome of stream) outcomes.push(outcome);
  return outcomes;
}

describe('streamBatch', () => {
  it('yields each outcome as it is known, with the index of its item', async () => {
    const { work, calls } = stepwise();
    const collected = watch(collect(streamBatch([1, 2, 3], work)));
    await settled();
    calls.get(2)?.resolve(20);
    await settled();
    calls.get(3)?.reject(new Error('no'));
    await settled();
    calls.get(1)?.resolve(10);
    await settled();
    expect(collected.outcome).toEqual({
      value: [
        { index: 1, item: 2, ok: true, value: 20 },
        { index: 2, item: 3, ok: false, error: new Error('no') },
        { index: 0, item: 1, ok: true, value: 10 },
      ],
    });
  });

  it('does nothing before somebody asks', async () => {
    const { items, pulled } = numbers(5);
    const work = vi.fn();
    const stream = streamBatch(items, work);
    await settled();
    expect([pulled(), work.mock.calls.length]).toEqual([0, 0]);
    expect(await stream.return?.()).toEqual(END);
    expect(await stream.next()).toEqual(END);
    expect(work).not.toHaveBeenCalled();
  });

  it('is never more than concurrency items ahead of its reader', async () => {
    const { items, pulled } = numbers(100);
    const stream = streamBatch(items, (item) => item, { concurrency: 3 });
    for (let read = 1; read <= 10; read += 1) {
      await stream.next();
      await settled();
      expect(pulled()).toBe(read + 3);
    }
    await stream.return?.();
  });

  it('runs no more than concurrency at a time, whatever the reader does', async () => {
    let running = 0;
    let most = 0;
    const { items } = numbers(50);
    const stream = streamBatch(
      items,
      async () => {
        running += 1;
        most = Math.max(most, running);
        await settled();
        running -= 1;
      },
      { concurrency: 4 },
    );
    expect(await collect(stream)).toHaveLength(50);
    expect(most).toBe(4);
  });

  it('answers several who ask at once, in order', async () => {
    const stream = streamBatch([1, 2], (item) => item * 10);
    const steps = await Promise.all([stream.next(), stream.next(), stream.next(), stream.next()]);
    expect(steps).toEqual([
      { done: false, value: { index: 0, item: 1, ok: true, value: 10 } },
      { done: false, value: { index: 1, item: 2, ok: true, value: 20 } },
      END,
      END,
    ]);
  });

  it('aborts what runs and waits for it when its reader leaves', async () => {
    const { items, pulled, returned } = numbers(100);
    const stubborn = defer<number>();
    const reasons: unknown[] = [];
    const stream = streamBatch(
      items,
      (item, ctx) => {
        if (item === 1) return item;
        ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason));
        return item === 2 ? stubborn.promise : untilAbort(ctx);
      },
      { concurrency: 3 },
    );
    const left = watch(
      (async () => {
        for await (const { item } of stream) if (item === 1) break;
      })(),
    );
    await settled();
    expect(reasons).toHaveLength(3);
    expect(reasons[0]).toMatchObject({ name: 'AbortError' });
    expect([pulled(), returned(), left.outcome]).toEqual([4, true, 'pending']);
    stubborn.resolve(1);
    await settled();
    expect(left.outcome).toEqual({ value: undefined });
  });

  it('ends after the outcomes of what ran when one failed under stopOnError', async () => {
    const { items, pulled, returned } = numbers(100);
    const error = new Error('no');
    const outcomes = await collect(
      streamBatch(items, (item, ctx) => (item === 1 ? Promise.reject(error) : untilAbort(ctx)), {
        concurrency: 2,
        stopOnError: true,
      }),
    );
    expect(outcomes).toEqual([
      { index: 0, item: 1, ok: false, error },
      {
        index: 1,
        item: 2,
        ok: false,
        error: expect.objectContaining({ code: 'SIBLING_FAILED', cause: error }),
      },
    ]);
    expect([pulled(), returned()]).toEqual([2, true]);
  });

  it('rejects with the abort reason at once, after what was ready, though work ignores its abort', async () => {
    const controller = new AbortController();
    const { work, calls } = stepwise();
    const stream = streamBatch([1, 2, 3, 4], work, { signal: controller.signal, concurrency: 3 });
    const first = watch(stream.next());
    await settled();
    calls.get(1)?.resolve(10);
    await settled();
    calls.get(2)?.resolve(20);
    await settled();
    controller.abort('left');
    expect(first.outcome).toMatchObject({ value: { value: { item: 1 } } });
    expect(await stream.next()).toMatchObject({ value: { item: 2 } });
    await expect(stream.next()).rejects.toBe('left');
    expect(await stream.next()).toEqual(END);
    calls.get(3)?.reject(new Error('late, and swallowed'));
    calls.get(4)?.resolve(1);
    await settled();
  });

  it('rejects one who waits when its caller leaves or its deadline passes', async () => {
    const controller = new AbortController();
    const aborted = watch(streamBatch([1], untilAbort2, { signal: controller.signal }).next());
    const late = watch(streamBatch([1], untilAbort2, { deadline: Deadline.after(50) }).next());
    await settled();
    controller.abort('left');
    await vi.advanceTimersByTimeAsync(50);
    expect(aborted.outcome).toEqual({ error: 'left' });
    expect(late.outcome).toMatchObject({ error: { code: 'TIMEOUT', kind: 'deadline' } });
    await expect(streamBatch([1], untilAbort2, { signal: controller.signal }).next()).rejects.toBe('left');
  });

  it('throws what its source threw, after all outcomes', async () => {
    const error = new Error('cursor lost');
    const source = (function* () {
      yield 1;
      throw error;
    })();
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const outcome of streamBatch(source, async (item) => item)) seen.push(outcome.item);
    };
    await expect(read()).rejects.toBe(error);
    expect(seen).toEqual([1]);
  });

  it('says what it did when it is over', async () => {
    const events: HoldfastEvent[] = [];
    using subscription = subscribe((event) => events.push(event));
    void subscription;
    await collect(
      streamBatch([1, 2], (item) => (item === 2 ? Promise.reject(new Error('no')) : item), {
        name: 'import',
      }),
    );
    expect(events).toMatchObject([
      { type: 'batch.done', name: 'import', data: { processed: 2, errors: 1, cancelled: 0 } },
    ]);
  });

  it('throws on bad arguments', () => {
    expect(() => streamBatch([], undefined as never)).toThrow(TypeError);
    expect(() => streamBatch(5 as never, () => 1)).toThrow(TypeError);
    expect(() => streamBatch([], () => 1, { concurrency: 0 })).toThrow(RangeError);
  });

  it('infers the types of items and values', () => {
    const stream = streamBatch([1], async (item) => String(item));
    expectTypeOf<Awaited<ReturnType<typeof stream.next>>>().toEqualTypeOf<
      IteratorResult<BatchOutcome<number, string>, undefined>
    >();
  });

  it('yields one outcome for every item, whatever work, reader and concurrency do', async () => {
    vi.useRealTimers();
    const kinds = fc.constantFrom('value', 'throw', 'microtask', 'turn');
    await fc.assert(
      fc.asyncProperty(
        fc.array(kinds, { maxLength: 50 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
        fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(Infinity)),
        fc.boolean(),
        async (items, pauses, concurrency, asynchronous) => {
          const source = asynchronous
            ? (async function* () {
                yield* items;
              })()
            : items;
          const seen: number[] = [];
          const stream = streamBatch(
            source,
            async (kind) => {
              if (kind === 'throw') throw new Error(kind);
              if (kind === 'microtask') await Promise.resolve();
              if (kind === 'turn') await turn();
              return kind;
            },
            { concurrency },
          );
          for await (const { index, item, ok } of stream) {
            expect(item).toBe(items[index]);
            expect(ok).toBe(item !== 'throw');
            seen.push(index);
            if (pauses[seen.length % pauses.length]) await turn();
          }
          expect(seen.toSorted((a, b) => a - b)).toEqual(items.map((_, index) => index));
        },
      ),
      { numRuns: 150 },
    );
  });
});

function untilAbort2(_: number, ctx: BatchContext): Promise<never> {
  return untilAbort(ctx);
}
