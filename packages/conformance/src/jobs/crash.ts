/** Processes that are killed or stand still, and what becomes of their jobs. An engine that ends with its process says so instead. */
import { expect } from 'vitest';
import { Gate, Log, eventually, type EngineCase, type Place } from './engine-under-test.ts';

const LEASE = { leaseMs: 1_000, crashRedeliveryMs: 2_000 };

/** Whether crashes are out of scope: then the capabilities must say so. */
function endsWithItsProcess(place: Place): boolean {
  const { delivery, durability, crashDetection, leaseClock } = place.queue().capabilities;
  if (delivery === 'at-least-once') {
    expect(durability).not.toBe('none');
    return false;
  }
  expect([durability, crashDetection, leaseClock]).toEqual(['none', 'none', 'none']);
  expect(place.process({ task: 'hang' })).toBeUndefined();
  return true;
}

export const crashCases: readonly EngineCase[] = [
  {
    sentence: 'delivers the job of a killed worker again, once, within the time it was told',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const queue = place.queue<string>();
      await queue.enqueue('a', { id: 'a' });
      const worker = place.process({ task: 'hang', ...LEASE });
      await worker?.line('started a 1');
      const seen = new Log<[number, boolean]>();
      queue.consume((_, { attempt, redelivered }) => seen.add([attempt, redelivered]), LEASE);
      await queue.open();
      await worker?.kill();
      const killedAt = performance.now();
      await seen.reached(1);
      expect(performance.now() - killedAt).toBeLessThan(LEASE.crashRedeliveryMs + 2_000);
      await eventually(async () => (await queue.stats())['completed']).toBe(1);
      expect(seen.entries).toEqual([[2, true]]);
    },
  },
  {
    sentence: 'buries a job that kills its worker after as many starts as it is allowed',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const queue = place.queue<string>();
      await queue.enqueue('a', { id: 'a', maxRetries: 2 });
      for (const attempt of [1, 2, 3]) {
        const worker = place.process({ task: 'die', leaseMs: 200, crashRedeliveryMs: 400 });
        expect(await worker?.line('started')).toBe(`started a ${attempt}`);
        await worker?.ended;
      }
      const seen = new Log<string>();
      queue.consume((payload) => seen.add(payload), { leaseMs: 200, crashRedeliveryMs: 400 });
      await eventually(() => queue.deadLetters.list()).toMatchObject([
        { id: 'a', attempts: 3, error: { name: 'LeaseLostError' } },
      ]);
      expect(seen.entries).toEqual([]);
    },
  },
  {
    sentence: 'has every job that a killed producer was told it had',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const producer = place.process({ task: 'produce' });
      await producer?.line('accepted produced-200');
      await producer?.kill();
      const accepted = producer?.lines.map((line) => line.replace('accepted ', '')) ?? [];
      const queue = place.queue<{ n: number }>();
      const seen = new Log<string>();
      queue.consume((_, { id }) => seen.add(id), { concurrency: 16 });
      await eventually(async () => (await queue.stats())['depth']).toBe(0);
      expect(new Set(seen.entries).size).toBe(seen.entries.length);
      // and perhaps more: what it did not live to tell us
      expect(seen.entries).toEqual(expect.arrayContaining(accepted));
    },
  },
  {
    sentence: 'gives the job of a worker that stands still to another, and takes no outcome from the first',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const queue = place.queue<string>();
      await queue.enqueue('a', { id: 'a' });
      const worker = place.process({ task: 'block', blockMs: 3_000, leaseMs: 500, crashRedeliveryMs: 1_000 });
      await worker?.line('started a 1');
      const seen = new Log<number>();
      queue.consume(
        async (_, { attempt }) => {
          seen.add(attempt);
          // the first one comes to and finishes while this one runs
          await worker?.line('finished a 1');
          await new Promise((resolve) => setTimeout(resolve, 500));
        },
        { leaseMs: 500, crashRedeliveryMs: 1_000 },
      );
      expect(await seen.reached(1)).toEqual([2]);
      await eventually(async () => (await queue.stats())['completed']).toBe(1);
      expect(seen.entries).toEqual([2]);
      expect(await queue.stats()).toMatchObject({ depth: 0, leaseLost: 0 });
    },
  },
  {
    sentence: 'tells a handler that stood still that it has lost its lease',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const queue = place.queue<string>();
      await queue.enqueue('a', { id: 'a' });
      const worker = place.process({ task: 'stall', blockMs: 3_000, leaseMs: 500, crashRedeliveryMs: 1_000 });
      await worker?.line('started a 1');
      const hold = new Gate();
      const seen = new Log<number>();
      queue.consume(
        async (_, { attempt }) => {
          seen.add(attempt);
          await hold.opened;
        },
        { leaseMs: 500, crashRedeliveryMs: 1_000 },
      );
      expect(await seen.reached(1)).toEqual([2]);
      expect(await worker?.line('aborted')).toBe('aborted a LEASE_LOST');
      await worker?.line('finished a 1');
      hold.open();
      await eventually(async () => (await queue.stats())['completed']).toBe(1);
      expect(seen.entries).toEqual([2]);
    },
  },
  {
    sentence: 'keeps no process alive that has let go of it',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const visitor = place.process({ task: 'visit' });
      await visitor?.line('disposed');
      const disposedAt = performance.now();
      expect(await visitor?.ended).toBe(0);
      expect(performance.now() - disposedAt).toBeLessThan(2_000);
    },
  },
  {
    sentence: 'works on together with other processes, each job once',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const queue = place.queue<number>();
      const workers = [0, 1].map(() => place.process({ task: 'finish', concurrency: 4 }));
      for (const worker of workers) await worker?.line('consuming');
      const ids = Array.from({ length: 200 }, (_, n) => `job-${n}`);
      await Promise.all(ids.map((id, n) => queue.enqueue(n, { id })));
      await eventually(async () => (await queue.stats())['depth']).toBe(0);
      // a job is done before what its worker said of it has come through the pipe
      const finished = (): readonly string[] =>
        workers.flatMap((worker) => worker?.lines.filter((line) => line.startsWith('finished')) ?? []);
      await eventually(() => finished().toSorted()).toEqual(ids.map((id) => `finished ${id} 1`).toSorted());
    },
  },
  {
    sentence: 'leaves no process without its share',
    run: async (place) => {
      if (endsWithItsProcess(place)) return;
      const queue = place.queue<number>();
      const workers = [0, 1, 2].map(() => place.process({ task: 'finish', concurrency: 2, workMs: 20 }));
      for (const worker of workers) await worker?.line('consuming');
      await queue.enqueueMany(Array.from({ length: 150 }, (_, payload) => ({ payload })));
      await eventually(async () => (await queue.stats())['depth'], 20_000).toBe(0);
      const shares = (): readonly number[] =>
        workers.map((worker) => worker?.lines.filter((line) => line.startsWith('finished')).length ?? 0);
      await eventually(() => shares().reduce((a, b) => a + b, 0)).toBe(150);
      // a third is fifty
      for (const share of shares()) expect(share).toBeGreaterThanOrEqual(15);
    },
  },
];
