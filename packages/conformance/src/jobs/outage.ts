/** A server that is away, is killed, or drops its connections: what was accepted is done, and everybody goes on by themselves. */
import { isHoldfastError, sleep, type JobQueue } from '@holdfast/core';
import { expect } from 'vitest';
import { Log, eventually, type EngineCase } from './engine-under-test.ts';

/** How often a server is killed while jobs run; more than a few take long. */
const KILLS = Number(process.env['HOLDFAST_TEST_KILLS'] ?? 2);
/** Longest time in which everybody is to have found back to a server, in milliseconds. */
const BACK_MS = 15_000;

/** Enqueues one job after the other, each until it is accepted, until `stopped`. */
async function produce(
  queue: JobQueue<number>,
  accepted: Set<string>,
  stopped: () => boolean,
): Promise<void> {
  for (let n = 0; !stopped(); n += 1) {
    const id = `job-${n}`;
    while (!accepted.has(id)) {
      try {
        await queue.enqueue(n, { id, timeoutMs: 2_000 });
        accepted.add(id);
      } catch (error) {
        // refused, or not known: the same id settles both
        if (!isHoldfastError(error, 'ENGINE_UNAVAILABLE') && !isHoldfastError(error, 'ENQUEUE_TIMEOUT'))
          throw error;
        await sleep(20);
      }
    }
    await sleep(2);
  }
}

/** All cases need a server that can be killed. */
export const outageCases: readonly EngineCase[] = [
  {
    sentence: 'says in time that its server is away, and works when it has come',
    needs: 'server',
    run: async (place) => {
      await place.server.kill();
      const queue = place.queue<string>();
      const seen = new Log<string>();
      queue.consume((payload) => seen.add(payload));
      try {
        const startedAt = performance.now();
        await expect(place.queue().open()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
        await expect(queue.enqueue('x', { timeoutMs: 5_000 })).rejects.toMatchObject({
          code: 'ENGINE_UNAVAILABLE',
        });
        expect(await queue.health()).toMatchObject({ status: 'down' });
        expect(performance.now() - startedAt).toBeLessThan(20_000);
      } finally {
        await place.server.start();
      }
      await eventually(() =>
        queue.enqueue('a').then(
          () => true,
          () => false,
        ),
      ).toBe(true);
      await seen.reached(1);
      expect(seen.entries).toEqual(['a']);
      expect(await queue.health()).toMatchObject({ status: 'up' });
    },
  },
  {
    sentence:
      'keeps what waits, what is delayed, what is dead and what is paused over a restart of its server',
    needs: 'server',
    run: async (place) => {
      const queue = place.queue<string>({ retry: { maxRetries: 0 } });
      const { delay, pause } = queue.capabilities;
      const loop = queue.consume(() => {
        throw new Error('x');
      });
      await queue.enqueue('dead', { id: 'dead' });
      await eventually(() => queue.deadLetters.list()).toHaveLength(1);
      await loop.stop();
      const due = performance.now() + 3_000;
      if (delay !== 'none') await queue.enqueue('later', { delayMs: 3_000 });
      await queue.enqueue('now');
      if (pause === 'queue') await queue.pause();
      await place.server.kill();
      await place.server.start();

      const after = place.queue<string>();
      await eventually(() =>
        after.open().then(
          () => true,
          () => false,
        ),
      ).toBe(true);
      const seen = new Log<[string, number]>();
      after.consume((payload) => seen.add([payload, performance.now()]));
      if (pause === 'queue') {
        await sleep(300);
        expect(seen.entries).toEqual([]);
        expect(await after.stats()).toMatchObject({ paused: true });
        await after.resume();
      }
      await seen.reached(delay === 'none' ? 1 : 2);
      expect(seen.entries.map(([payload]) => payload)).toEqual(delay === 'none' ? ['now'] : ['now', 'later']);
      if (delay !== 'none') expect(seen.entries[1]?.[1]).toBeGreaterThan(due - 5);
      expect(await after.deadLetters.list()).toMatchObject([{ id: 'dead', payload: 'dead' }]);
    },
  },
  {
    sentence: 'does every job it accepted, however often its server is killed meanwhile',
    needs: 'server',
    timeoutMs: 30_000 + KILLS * BACK_MS,
    run: async (place) => {
      const [producer, consumer] = [place.queue<number>(), place.queue<number>()];
      const done = new Log<string>();
      const loop = consumer.consume(
        async (_, { id }) => {
          await sleep(2);
          done.add(id);
        },
        { concurrency: 4, leaseMs: 2_000, crashRedeliveryMs: 3_000 },
      );
      const accepted = new Set<string>();
      let stopped = false;
      const producing = produce(producer, accepted, () => stopped);
      for (let kill = 0; kill < KILLS; kill += 1) {
        const [before, handled] = [accepted.size, done.entries.length];
        await eventually(() => accepted.size > before && done.entries.length > handled, BACK_MS).toBe(true);
        await place.server.kill();
        await sleep(kill % 2 === 0 ? 0 : 300);
        await place.server.start();
      }
      const handled = done.entries.length;
      await eventually(() => done.entries.length > handled, BACK_MS).toBe(true);
      stopped = true;
      await producing;
      await eventually(() => [...accepted].filter((id) => !done.entries.includes(id)), BACK_MS).toEqual([]);
      expect(loop.running).toBe(true);
      await eventually(async () => (await consumer.stats())['depth'], BACK_MS).toBe(0);
    },
  },
  {
    sentence: 'does every job it accepted while connections are dropped again and again',
    needs: 'wire',
    timeoutMs: 60_000,
    run: async (place) => {
      const [producer, consumer] = [place.queue<number>(), place.queue<number>()];
      const done = new Log<string>();
      consumer.consume(
        async (_, { id }) => {
          await sleep(2);
          done.add(id);
        },
        { concurrency: 4, leaseMs: 2_000, crashRedeliveryMs: 3_000 },
      );
      const accepted = new Set<string>();
      let stopped = false;
      const producing = produce(producer, accepted, () => stopped);
      for (let cut = 0; cut < 5; cut += 1) {
        const [before, handled] = [accepted.size, done.entries.length];
        await eventually(() => accepted.size > before && done.entries.length > handled, BACK_MS).toBe(true);
        expect(place.wire.cut()).toBeGreaterThan(0);
        await sleep(100);
      }
      stopped = true;
      await producing;
      await eventually(() => [...accepted].filter((id) => !done.entries.includes(id)), BACK_MS).toEqual([]);
      await eventually(async () => (await consumer.stats())['depth'], BACK_MS).toBe(0);
    },
  },
];
