/** In what order, how often and for how long an engine delivers. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CircuitOpenError, noRetry, retryLater, sleep } from '@holdfast/core';
import { expect } from 'vitest';
import { Gate, Log, eventually, type EngineCase } from './engine-under-test.ts';

export const deliverCases: readonly EngineCase[] = [
  {
    sentence: 'delivers every job once, in order to one consumer if it says so',
    run: async (place) => {
      const queue = place.queue<number>();
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      for (const n of numbers) await queue.enqueue(n);
      const seen = new Log<number>();
      queue.consume((n) => seen.add(n));
      const order = await seen.reached(50);
      await sleep(50);
      expect(order).toHaveLength(50);
      expect(queue.capabilities.order === 'best-effort' ? order.toSorted((a, b) => a - b) : order).toEqual(
        numbers,
      );
    },
  },
  {
    sentence: 'runs no more than its concurrency at once, and as many',
    run: async (place) => {
      const queue = place.queue<number>();
      await queue.enqueueMany(Array.from({ length: 20 }, (_, payload) => ({ payload })));
      let running = 0;
      let most = 0;
      const all = new Gate();
      const seen = new Log<number>();
      queue.consume(
        async (n) => {
          running += 1;
          most = Math.max(most, running);
          if (running === 4) all.open();
          await all.opened;
          await sleep(5);
          running -= 1;
          seen.add(n);
        },
        { concurrency: 4 },
      );
      await seen.reached(20);
      expect(most).toBe(4);
    },
  },
  {
    sentence: 'delivers by priority, or refuses priorities',
    run: async (place) => {
      const queue = place.queue<string>();
      if (queue.capabilities.priority === 'none') {
        await expect(queue.enqueue('x', { priority: 'high' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
        return;
      }
      for (const priority of ['low', 'normal', 'high', 'normal', 'low', 'high'] as const)
        await queue.enqueue(priority, { priority });
      const seen = new Log<string>();
      queue.consume((priority) => seen.add(priority));
      expect(await seen.reached(6)).toEqual(['high', 'high', 'normal', 'normal', 'low', 'low']);
    },
  },
  {
    sentence: 'delivers no delayed job early, or refuses delays',
    run: async (place) => {
      const queue = place.queue<string>();
      if (queue.capabilities.delay === 'none') {
        await expect(queue.enqueue('x', { delayMs: 1 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
        return;
      }
      const seen = new Log<[string, number]>();
      queue.consume((payload, { queueDelayMs }) => seen.add([payload, queueDelayMs]));
      const startedAt = performance.now();
      await queue.enqueue('later', { delayMs: 300 });
      await queue.enqueue('now');
      await seen.reached(2);
      // the clock of a delay may be another one than ours, and both count in whole milliseconds
      expect(performance.now() - startedAt).toBeGreaterThan(295);
      expect(seen.entries.map(([payload]) => payload)).toEqual(['now', 'later']);
    },
  },
  {
    sentence: 'counts starts, waits between them, and buries after the last',
    run: async (place) => {
      const queue = place.queue<string>({
        retry: { maxRetries: 2, baseDelayMs: 100, factor: 1, jitter: 'none' },
      });
      const seen = new Log<[number, boolean, number]>();
      queue.consume((_, { attempt, redelivered }) => {
        seen.add([attempt, redelivered, performance.now()]);
        throw new TypeError('no good');
      });
      await queue.enqueue('a', { id: 'a' });
      const [first, second, third] = await seen.reached(3);
      expect([first, second, third].map((one) => one?.slice(0, 2))).toEqual([
        [1, false],
        [2, true],
        [3, true],
      ]);
      expect(Number(third?.[2]) - Number(first?.[2])).toBeGreaterThan(190);
      await eventually(() => queue.deadLetters.list()).toMatchObject([
        { id: 'a', payload: 'a', attempts: 3, error: { name: 'TypeError', message: 'no good' } },
      ]);
    },
  },
  {
    sentence: 'waits longer after each failure, as the back-off says',
    run: async (place) => {
      const queue = place.queue<string>({
        retry: { maxRetries: 3, baseDelayMs: 100, factor: 2, jitter: 'none' },
      });
      const seen = new Log<number>();
      queue.consume((_, { attempt }) => {
        seen.add(performance.now());
        if (attempt <= 3) throw new Error('again');
      });
      await queue.enqueue('a');
      const starts = await seen.reached(4);
      const waits = starts.slice(1).map((at, index) => at - Number(starts[index]));
      for (const [index, delayMs] of [100, 200, 400].entries()) {
        // whole milliseconds of another clock
        expect(waits[index]).toBeGreaterThan(delayMs - 5);
        expect(waits[index]).toBeLessThan(delayMs + 3_000);
      }
      await eventually(async () => (await queue.stats())['completed']).toBe(1);
    },
  },
  {
    sentence: 'buries at once what must not be retried, and delays what asks for it',
    run: async (place) => {
      const queue = place.queue<string>();
      const seen = new Log<[string, number]>();
      queue.consume((payload, { attempt }) => {
        seen.add([payload, attempt]);
        if (payload === 'bad') throw noRetry(new Error('bad'));
        if (attempt === 1) throw retryLater(200);
      });
      const startedAt = performance.now();
      await queue.enqueue('bad');
      await queue.enqueue('later');
      await seen.reached(3);
      expect(performance.now() - startedAt).toBeGreaterThan(195);
      expect(seen.entries).toEqual([
        ['bad', 1],
        ['later', 1],
        ['later', 2],
      ]);
    },
  },
  {
    sentence: 'takes a job back that was refused, after a delay and without spending an attempt',
    run: async (place) => {
      const queue = place.queue<string>({ retry: { maxRetries: 0 } });
      const seen = new Log<[number, boolean]>();
      queue.consume((_, { attempt, redelivered }) => {
        seen.add([attempt, redelivered]);
        if (seen.entries.length < 4) throw new CircuitOpenError('upstream', 'open', { retryAfterMs: 20 });
      });
      await queue.enqueue('a');
      expect(await seen.reached(4)).toEqual([
        [1, false],
        [1, true],
        [1, true],
        [1, true],
      ]);
      await eventually(async () => (await queue.stats())['completed']).toBe(1);
    },
  },
  {
    sentence: 'pauses a consumer, and the whole queue or refuses to',
    run: async (place) => {
      const queue = place.queue<string>();
      const seen = new Log<string>();
      const loop = queue.consume((payload) => seen.add(payload));
      await queue.open();
      if (queue.capabilities.pause === 'consumer') {
        await expect(queue.pause()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
      } else {
        await queue.pause();
        await queue.enqueue('a');
        await sleep(150);
        expect(seen.entries).toEqual([]);
        expect(await queue.health()).toMatchObject({ status: 'degraded' });
        await queue.resume();
        await seen.reached(1);
      }
      const before = seen.entries.length;
      loop.pause();
      await sleep(20);
      await queue.enqueue('b');
      await sleep(150);
      expect(seen.entries).toHaveLength(before);
      loop.resume();
      await seen.reached(before + 1);
    },
  },
  {
    sentence: 'keeps a job for one worker as long as its handler runs, however short the lease',
    run: async (place) => {
      const queue = place.queue<string>();
      const seen = new Log<number>();
      const done = new Gate();
      for (let n = 0; n < 2; n += 1)
        queue.consume(
          async (_, { attempt, signal }) => {
            seen.add(attempt);
            await sleep(1_000);
            expect(signal.aborted).toBe(false);
            done.open();
          },
          { leaseMs: 200, crashRedeliveryMs: 300 },
        );
      await queue.enqueue('a');
      await done.opened;
      await sleep(300);
      expect(seen.entries).toEqual([1]);
    },
  },
  {
    sentence: 'keeps no memory of the jobs it has done',
    timeoutMs: 60_000,
    run: async (place) => {
      const queue = place.queue<number>();
      let done = 0;
      queue.consume(() => void (done += 1), { concurrency: 16 });
      const heap: number[] = [];
      for (let round = 1; round <= 5; round += 1) {
        for (let batch = 0; batch < 10; batch += 1)
          await queue.enqueueMany(Array.from({ length: 100 }, (_, payload) => ({ payload })));
        await eventually(() => done, 20_000).toBe(round * 1_000);
        heap.push(await heapInUse());
      }
      // the first rounds warm up; four thousand jobs more would show
      expect(Number(heap[4]) - Number(heap[1])).toBeLessThan(3_000_000);
    },
  },
];

/** Bytes, after garbage was collected. */
async function heapInUse(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc !== 'function') throw new Error('no garbage collector to call');
  for (let round = 0; round < 5; round += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    gc();
  }
  return process.memoryUsage().heapUsed;
}
