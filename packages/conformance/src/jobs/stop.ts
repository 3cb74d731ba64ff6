/** What becomes of jobs when their consumer stops, is cancelled, or is drained with or without the time for it. */
import { sleep } from '@holdfast/core';
import { expect } from 'vitest';
import { Gate, Log, eventually, type EngineCase } from './engine-under-test.ts';

export const stopCases: readonly EngineCase[] = [
  {
    sentence: 'gives a job back at once, and at no cost, when its handler is cancelled',
    run: async (place) => {
      const queue = place.queue<string>({ retry: { maxRetries: 0 } });
      const started = new Gate();
      const controller = new AbortController();
      const loop = queue.consume(
        async (_, ctx) => {
          started.open();
          await sleep(60_000, ctx);
        },
        { signal: controller.signal },
      );
      await queue.enqueue('a');
      await started.opened;
      controller.abort(new Error('enough'));
      await loop.done;
      const seen = new Log<[number, boolean]>();
      queue.consume((_, { attempt, redelivered }) => seen.add([attempt, redelivered]));
      expect(await seen.reached(1)).toEqual([[1, true]]);
    },
  },
  {
    sentence: 'finishes what runs in a drain that has the time, and leaves or works off what waits',
    run: async (place) => {
      const queue = place.queue<number>();
      const hold = new Gate();
      const seen = new Log<number>();
      queue.consume(async (n) => {
        seen.add(n);
        await hold.opened;
      });
      await queue.enqueueMany([1, 2, 3].map((payload) => ({ payload })));
      await seen.reached(1);
      queue.close();
      const draining = queue.drain();
      await sleep(50);
      hold.open();
      expect(await draining).toEqual({ drained: true, left: 0, leaked: [] });
      const durable = queue.capabilities.durability !== 'none';
      expect(seen.entries).toEqual(durable ? [1] : [1, 2, 3]);
      await queue[Symbol.asyncDispose]();
      if (!durable) return;
      const after = place.queue<number>();
      after.consume((n) => seen.add(n));
      await seen.reached(3);
      await sleep(50);
      expect(seen.entries.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    },
  },
  {
    sentence: 'gives back at once what a drain had no time for, and says what only memory held',
    run: async (place) => {
      const queue = place.queue<number>({ retry: { maxRetries: 0 } });
      const started = new Gate();
      queue.consume(async (_, ctx) => {
        started.open();
        await sleep(60_000, ctx);
      });
      await queue.enqueue(1, { id: 'a' });
      await started.opened;
      queue.close();
      await expect(queue.drain({ signal: AbortSignal.timeout(50) })).rejects.toBeDefined();
      queue.cancel();
      await queue[Symbol.asyncDispose]();
      const after = place.queue<number>();
      const seen = new Log<[string, number, boolean]>();
      after.consume((_, { id, attempt, redelivered }) => seen.add([id, attempt, redelivered]));
      if (queue.capabilities.durability === 'none') {
        expect(await queue.drain()).toMatchObject({ drained: false, left: 1 });
        return;
      }
      // within much less than the lease of 30 s
      await eventually(() => seen.entries).toEqual([['a', 1, true]]);
    },
  },
  {
    sentence: 'delivers nothing to a consumer that has stopped, and takes the outcome of what it had',
    run: async (place) => {
      const queue = place.queue<string>();
      const hold = new Gate();
      const seen = new Log<string>();
      const loop = queue.consume(async (payload) => {
        seen.add(payload);
        await hold.opened;
      });
      await queue.enqueue('a');
      await seen.reached(1);
      await queue.enqueue('b');
      const stopped = loop.stop();
      await sleep(20);
      hold.open();
      await stopped;
      await sleep(150);
      expect(seen.entries).toEqual(['a']);
      queue.consume((payload) => seen.add(payload));
      expect(await seen.reached(2)).toEqual(['a', 'b']);
    },
  },
];
