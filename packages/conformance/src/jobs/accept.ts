/** What an engine accepts, refuses and counts. */
import { sleep, type EnqueueResult, type JobQueue } from '@holdfast/core';
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { Gate, Log, eventually, type EngineCase } from './engine-under-test.ts';

const ODD_IDS = ['a:b', 'a/b', ' ', 'ümläut €', "o'hara", 'a.b*c>d', 'x'.repeat(200), '%', '__proto__'];

function newStatus(queue: JobQueue<unknown>): EnqueueResult['status'] {
  return queue.capabilities.dedupe.reported ? 'enqueued' : 'accepted';
}

export const acceptCases: readonly EngineCase[] = [
  {
    sentence: 'gives payload, id and headers back as they came, whatever is in them',
    run: async (place) => {
      const queue = place.queue();
      const payload = {
        text: 'ü € 𝄞 \u0000 \ud800',
        list: [1, null, true, [], {}],
        big: 'x'.repeat(100_000),
        '': '',
      };
      const headers = { traceparent: '00-1', 'X-Odd': 'ü\n€' };
      for (const id of ODD_IDS)
        expect(await queue.enqueue(payload, { id, headers })).toEqual({ status: newStatus(queue), id });
      const seen = new Log<string>();
      queue.consume((got, ctx) => {
        expect(got).toEqual(payload);
        expect(ctx.headers).toEqual(headers);
        seen.add(ctx.id);
      });
      expect((await seen.reached(ODD_IDS.length)).toSorted()).toEqual(ODD_IDS.toSorted());
    },
  },
  {
    sentence: 'gives every value of JSON back, letter by letter',
    run: async (place) => {
      const queue = place.queue();
      const value = fc.jsonValue({ depthSize: 'medium', stringUnit: 'binary' });
      const sent = new Map(fc.sample(value, 300).map((payload, n) => [`job-${n}`, payload]));
      const jobs = Array.from(sent, ([id, payload]) => ({ id, payload }));
      for (let n = 0; n < jobs.length; n += 100) await queue.enqueueMany(jobs.slice(n, n + 100));
      const seen = new Log<string>();
      queue.consume(
        (got, { id }) => {
          // as text: the order of members counts too
          expect(JSON.stringify(got)).toBe(JSON.stringify(sent.get(id)));
          seen.add(id);
        },
        { concurrency: 8 },
      );
      expect((await seen.reached(300)).toSorted()).toEqual([...sent.keys()].toSorted());
    },
  },
  {
    sentence: 'takes a payload as large as it says, and refuses a larger one and what is no JSON',
    run: async (place) => {
      const queue = place.queue();
      await queue.open();
      const largest = Math.min(queue.capabilities.maxPayloadBytes, 1_048_576);
      // two are the quotes
      const payload = 'ü'.repeat(Math.floor((largest - 2) / 2));
      await expect(queue.enqueue(`${payload}üü`)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
      await expect(queue.enqueue({ at: [1, undefined] })).rejects.toMatchObject({
        code: 'PAYLOAD_INVALID',
        path: '$.at[1]',
      });
      await expect(queue.enqueueMany([{ payload: 1 }, { payload: 1n }])).rejects.toMatchObject({
        code: 'PAYLOAD_INVALID',
      });
      await queue.enqueue(payload);
      const seen = new Log<unknown>();
      queue.consume((got) => seen.add(got));
      const [got] = await seen.reached(1);
      // not toEqual: a difference would be printed
      expect(got === payload).toBe(true);
      await sleep(50);
      expect(seen.entries).toHaveLength(1);
    },
  },
  {
    sentence: 'takes names of queues with anything in them, and keeps the queues apart',
    run: async (place) => {
      const names = ['a', 'a:b', 'a.b', 'ü €', "o'hara"];
      const seen = new Log<string>();
      for (const name of names) await place.queue({ name }).enqueue(name, { id: 'same' });
      for (const name of names) {
        const queue = place.queue<string>({ name });
        if (queue.capabilities.reach === 'process') await queue.enqueue(name, { id: 'same' });
        queue.consume((payload) => {
          expect(payload).toBe(name);
          seen.add(payload);
        });
      }
      expect((await seen.reached(names.length)).toSorted()).toEqual(names.toSorted());
    },
  },
  {
    sentence: 'keeps a second job of an id out as long as it says',
    run: async (place) => {
      const queue = place.queue<number>();
      const { scope, reported } = queue.capabilities.dedupe;
      const again = reported ? 'duplicate' : 'accepted';
      const seen = new Log<number>();
      const hold = new Gate();
      await queue.enqueue(1, { id: 'a', delayMs: queue.capabilities.delay === 'none' ? 0 : 20 });
      expect(await queue.enqueue(2, { id: 'a' })).toEqual({
        status: scope === 'none' ? newStatus(queue) : again,
        id: 'a',
      });
      queue.consume(async (n) => {
        seen.add(n);
        await hold.opened;
      });
      await seen.reached(1);
      if (scope !== 'none') expect(await queue.enqueue(3, { id: 'a' })).toEqual({ status: again, id: 'a' });
      hold.open();
      if (scope === 'while-present') {
        await eventually(async () => {
          await queue.enqueue(4, { id: 'a' });
          return seen.entries.at(-1);
        }).toBe(4);
        expect(seen.entries.slice(0, 2)).toEqual([1, 4]);
      }
    },
  },
  {
    sentence: 'takes one of those who bring the same id at the same time, if it keeps ids apart at all',
    run: async (place) => {
      const one = place.queue<number>();
      const { reach, dedupe } = one.capabilities;
      if (dedupe.scope === 'none') return;
      const other = reach === 'process' ? one : place.queue<number>();
      await Promise.all([one.open(), other.open()]);
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? one : other).enqueue(n, { id: `id-${n % 4}` })),
      );
      if (dedupe.reported) {
        const news = results.filter(({ status }) => status === 'enqueued').map(({ id }) => id);
        expect(news.toSorted()).toEqual(['id-0', 'id-1', 'id-2', 'id-3']);
      }
      const seen = new Log<string>();
      one.consume((_, { id }) => seen.add(id));
      await seen.reached(4);
      await sleep(100);
      expect(seen.entries.toSorted()).toEqual(['id-0', 'id-1', 'id-2', 'id-3']);
    },
  },
  {
    sentence: 'takes all jobs of a batch or none, if it says so, in order',
    run: async (place) => {
      const queue = place.queue<number>({ maxDepth: 3 });
      const jobs = [1, 2, 3].map((payload) => ({ payload, id: String(payload) }));
      await queue.enqueue(0, { id: '0' });
      await expect(queue.enqueueMany(jobs, { maxWaitMs: 0 })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
      if (queue.capabilities.atomicBatch) expect(await queue.stats()).toMatchObject({ depth: 1 });
      const seen = new Log<number>();
      const results = queue.enqueueMany(jobs);
      queue.consume((n) => seen.add(n));
      expect((await results).map(({ id }) => id)).toEqual(['1', '2', '3']);
      expect(await seen.reached(4)).toEqual([0, 1, 2, 3]);
    },
  },
  {
    sentence:
      'never holds more than maxDepth, whatever is waiting, delayed or active, if it says that it is exact',
    run: async (place) => {
      const queue = place.queue<number>({ maxDepth: 5 });
      if (queue.capabilities.backpressure !== 'exact') return;
      const other = queue.capabilities.reach === 'process' ? queue : place.queue<number>({ maxDepth: 5 });
      const hold = new Gate();
      const seen = new Log<number>();
      queue.consume(async (n) => {
        seen.add(n);
        if (n === 0) await hold.opened;
        if (n === 1) throw new Error('again');
      });
      await queue.enqueue(0);
      await queue.enqueue(1, { maxRetries: 0 });
      await seen.reached(1);
      const calls = Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? queue : other).enqueue(2, { delayMs: n % 3 === 0 ? 5 : 0 }),
      );
      for (let n = 0; n < 20; n += 1) {
        const { depth } = await queue.stats();
        expect(Number(depth)).toBeLessThanOrEqual(5);
      }
      hold.open();
      await Promise.all(calls);
      await seen.reached(42);
      await eventually(async () => (await queue.stats())['depth']).toBe(0);
    },
  },
  {
    sentence: 'lets those who wait for room in by and by, and refuses those who do not',
    run: async (place) => {
      const queue = place.queue<number>({ maxDepth: 2, overflow: 'wait' });
      await queue.enqueueMany([{ payload: 1 }, { payload: 2 }]);
      await expect(queue.enqueue(3, { maxWaitMs: 0 })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
      await expect(queue.enqueue(3, { maxWaitMs: 50 })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
      const waiting = [3, 4, 5].map((n) => queue.enqueue(n));
      const seen = new Log<number>();
      queue.consume((n) => seen.add(n));
      await Promise.all(waiting);
      expect((await seen.reached(5)).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    },
  },
  {
    sentence: 'refuses at once where it is told not to wait for room',
    run: async (place) => {
      const queue = place.queue<number>({ maxDepth: 2, overflow: 'reject' });
      await queue.enqueueMany([{ payload: 1 }, { payload: 2 }]);
      const startedAt = performance.now();
      await expect(queue.enqueue(3)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      const seen = new Log<number>();
      queue.consume((n) => seen.add(n));
      await seen.reached(2);
      await eventually(() =>
        queue.enqueue(3).then(
          () => true,
          () => false,
        ),
      ).toBe(true);
      expect(await seen.reached(3)).toEqual([1, 2, 3]);
    },
  },
  {
    sentence: 'counts what it says it can count, and nothing else',
    run: async (place) => {
      const queue = place.queue<string>({ retry: { maxRetries: 0 } });
      const { counts, delay } = queue.capabilities;
      const hold = new Gate();
      const seen = new Log<string>();
      queue.consume(async (payload) => {
        seen.add(payload);
        if (payload === 'dies') throw new Error('x');
        await hold.opened;
      });
      await queue.enqueue('dies');
      await queue.enqueue('runs');
      await seen.reached(2);
      await queue.enqueue('waits');
      if (delay !== 'none') await queue.enqueue('later', { delayMs: 60_000 });
      await eventually(async () => {
        const stats = await queue.stats();
        return (['waiting', 'active', 'delayed', 'dead'] as const).map((name) => stats[name]);
      }).toEqual(
        (['waiting', 'active', 'delayed', 'dead'] as const).map((name) => {
          if (!counts.includes(name)) return undefined;
          return name === 'delayed' && delay === 'none' ? 0 : 1;
        }),
      );
      hold.open();
    },
  },
];
