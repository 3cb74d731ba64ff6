/** What an engine keeps of the jobs that will not be tried again. */
import type { JobQueue } from '@holdfast/core';
import { expect } from 'vitest';
import { Log, eventually, type EngineCase } from './engine-under-test.ts';

/** Buries jobs of these ids, in this order. */
async function bury(queue: JobQueue<string>, ids: readonly string[]): Promise<void> {
  const loop = queue.consume(() => {
    throw new RangeError('no good');
  });
  for (const id of ids) {
    await queue.enqueue(id, { id, maxRetries: 0, headers: { of: id } });
    await eventually(async () => (await queue.deadLetters.list()).map((job) => job.id)).toContain(id);
  }
  await loop.stop();
}

export const deadLetterCases: readonly EngineCase[] = [
  {
    sentence: 'lists the dead by their deaths, page by page, also while letters are taken away',
    run: async (place) => {
      const queue = place.queue<string>();
      await bury(queue, ['c', 'a', 'd', 'b']);
      const first = await queue.deadLetters.list({ limit: 2 });
      expect(first).toMatchObject([
        { id: 'c', payload: 'c', attempts: 1, error: { name: 'RangeError', message: 'no good' } },
        { id: 'a' },
      ]);
      expect(first[0]?.diedAt).toBeInstanceOf(Date);
      for (const { id } of first) expect(await queue.deadLetters.remove(id)).toBe(true);
      const second = await queue.deadLetters.list({ limit: 2, cursor: first[1]?.cursor });
      expect(second.map(({ id }) => id)).toEqual(['d', 'b']);
      expect(await queue.deadLetters.list({ cursor: second[1]?.cursor })).toEqual([]);
    },
  },
  {
    sentence: 'makes a dead job wait again, as new, with its payload, headers and all its attempts',
    run: async (place) => {
      const queue = place.queue<string>();
      await bury(queue, ['a']);
      expect(await queue.deadLetters.requeue('a')).toBe(true);
      expect(await queue.deadLetters.requeue('a')).toBe(false);
      expect(await queue.deadLetters.list()).toEqual([]);
      const seen = new Log<unknown>();
      queue.consume((payload, { id, attempt, redelivered, headers, maxRetries }) =>
        seen.add({ payload, id, attempt, redelivered, headers, maxRetries }),
      );
      expect(await seen.reached(1)).toEqual([
        { payload: 'a', id: 'a', attempt: 1, redelivered: false, headers: { of: 'a' }, maxRetries: 0 },
      ]);
    },
  },
  {
    sentence: 'buries what is stored and cannot be read, shows it, and goes on with the others',
    run: async (place) => {
      const queue = place.queue<string>();
      await queue.enqueue('spoilt');
      if (!(await place.spoil())) return;
      await queue.enqueue('good');
      const seen = new Log<string>();
      queue.consume((payload) => seen.add(payload));
      expect(await seen.reached(1)).toEqual(['good']);
      await eventually(() => queue.deadLetters.list()).toMatchObject([
        { attempts: 1, error: { name: 'PayloadInvalidError' } },
      ]);
      const [letter] = await queue.deadLetters.list();
      expect(typeof letter?.payload).toBe('string');
      expect(await queue.deadLetters.remove(letter?.id ?? '')).toBe(true);
      expect(await queue.stats()).toMatchObject({ depth: 0 });
    },
  },
  {
    sentence: 'neither requeues nor removes what is not there',
    run: async (place) => {
      const queue = place.queue<string>();
      expect(await queue.deadLetters.requeue('a')).toBe(false);
      expect(await queue.deadLetters.remove('a')).toBe(false);
    },
  },
  {
    sentence: 'requeues nothing where there is no room, or where its id is present again',
    run: async (place) => {
      const { backpressure, dedupe } = place.queue().capabilities;
      const bounded = place.queue<string>({ maxDepth: 1 });
      // by samples a queue is found full before the engine is asked for anything
      const queue = backpressure === 'exact' ? bounded : place.queue<string>();
      await bury(queue, ['a', 'b']);
      await queue.enqueue('present', { id: 'a' });
      // an id that is still known is present, but takes no room
      if (dedupe.scope === 'window') await queue.enqueue('fills', { id: 'c' });
      if (backpressure !== 'native')
        await expect(bounded.deadLetters.requeue('b')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
      if (dedupe.scope === 'while-present') expect(await queue.deadLetters.requeue('a')).toBe(false);
      expect((await queue.deadLetters.list()).map(({ id }) => id)).toEqual(['a', 'b']);
    },
  },
  {
    sentence: 'keeps one letter per id: the later death takes the place of the earlier',
    run: async (place) => {
      const queue = place.queue<string>();
      await bury(queue, ['a', 'b']);
      const loop = queue.consume(() => {
        throw new Error('later');
      });
      const { status } = await queue.enqueue('second', { id: 'a', maxRetries: 0 });
      // where an id stays taken for a time after its job is gone, there is no later death
      const isTaken = queue.capabilities.dedupe.scope === 'window';
      expect(status === 'duplicate').toBe(isTaken);
      await eventually(async () =>
        (await queue.deadLetters.list()).map(({ id, payload }) => `${id}: ${payload}`),
      ).toEqual(isTaken ? ['a: a', 'b: b'] : ['b: b', 'a: second']);
      await loop.stop();
    },
  },
];
