/** One queue, several objects, and what is there when they are gone. */
import { sleep } from '@holdfast/core';
import { expect } from 'vitest';
import { Log, eventually, type EngineCase } from './engine-under-test.ts';

export const shareCases: readonly EngineCase[] = [
  {
    sentence: 'gives each job to one of several consumers, as far as it reaches',
    run: async (place) => {
      const [a, b, c] = [place.queue<number>(), place.queue<number>(), place.queue<number>()];
      const seen = new Log<[string, number]>();
      b.consume((n) => seen.add(['b', n]), { concurrency: 2 });
      c.consume((n) => seen.add(['c', n]), { concurrency: 2 });
      if (a.capabilities.reach === 'process') {
        await a.enqueue(1);
        await sleep(100);
        expect(seen.entries).toEqual([]);
        return;
      }
      const numbers = Array.from({ length: 100 }, (_, n) => n);
      for (const n of numbers) await a.enqueue(n);
      const entries = await seen.reached(100);
      await sleep(150);
      expect(entries.map(([, n]) => n).toSorted((x, y) => x - y)).toEqual(numbers);
      expect(new Set(entries.map(([name]) => name)).size).toBe(2);
    },
  },
  {
    sentence: 'wakes a consumer soon after another object has enqueued',
    run: async (place) => {
      const [producer, consumer] = [place.queue<number>(), place.queue<number>()];
      if (producer.capabilities.reach === 'process') return;
      const seen = new Log<number>();
      consumer.consume((n) => seen.add(n));
      await consumer.open();
      await sleep(300);
      const startedAt = performance.now();
      await producer.enqueue(1);
      await seen.reached(1);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    },
  },
  {
    sentence: 'pauses for every object, where it can pause a queue',
    run: async (place) => {
      const [one, other] = [place.queue<number>(), place.queue<number>()];
      const { reach, pause } = one.capabilities;
      if (reach === 'process' || pause === 'consumer') return;
      const seen = new Log<number>();
      other.consume((n) => seen.add(n));
      await other.open();
      await one.pause();
      await sleep(150);
      await one.enqueue(1);
      await sleep(300);
      expect(seen.entries).toEqual([]);
      expect(await other.stats()).toMatchObject({ paused: true });
      await other.resume();
      await seen.reached(1);
    },
  },
  {
    sentence: 'has everything still when it is opened again, or says that it keeps nothing',
    run: async (place) => {
      const before = place.queue<string>({ retry: { maxRetries: 0 } });
      const loop = before.consume(() => {
        throw new Error('x');
      });
      await before.enqueue('dead', { id: 'dead' });
      await eventually(() => before.deadLetters.list()).toHaveLength(1);
      await loop.stop();
      for (const id of ['a', 'b']) await before.enqueue(id, { id });
      await before.enqueue('later', { id: 'later', delayMs: before.capabilities.delay === 'none' ? 0 : 200 });
      before.cancel();
      await before[Symbol.asyncDispose]();

      const after = place.queue<string>();
      const seen = new Log<string>();
      after.consume((payload) => seen.add(payload));
      if (after.capabilities.durability === 'none') {
        expect(await before.drain()).toMatchObject({ drained: false, left: 3 });
        await sleep(100);
        expect(seen.entries).toEqual([]);
        return;
      }
      expect(await before.drain()).toMatchObject({ drained: true, left: 0 });
      expect((await seen.reached(3)).toSorted()).toEqual(['a', 'b', 'later']);
      expect(await after.deadLetters.list()).toMatchObject([{ id: 'dead' }]);
    },
  },
  {
    sentence: 'names its queues, if it can tell, whoever made them and whatever is in their names',
    run: async (place) => {
      const names = ['plain', 'with: a colon', 'Zürich/ü', 'a'.repeat(100)];
      for (const name of names) await place.queue({ name }).enqueue(1);
      const driver = await place.driver();
      if (driver?.queues === undefined) return;
      expect((await driver.queues()).toSorted()).toEqual(names.toSorted());
    },
  },
  {
    sentence: 'answers nothing after it was let go, and can be let go at any time',
    run: async (place) => {
      const queue = place.queue<number>();
      await queue[Symbol.asyncDispose]();
      await expect(queue.enqueue(1)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
      await expect(queue.deadLetters.list()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
      const busy = place.queue<number>();
      busy.consume((_, ctx) => sleep(60_000, ctx), { concurrency: 3 });
      await busy.enqueueMany([1, 2, 3, 4].map((payload) => ({ payload })));
      busy.cancel();
      await busy[Symbol.asyncDispose]();
      expect(await busy.drain()).toMatchObject({ leaked: [] });
    },
  },
];
