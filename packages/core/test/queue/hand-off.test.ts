/** Races around a hand-off: somebody leaves, comes or closes so many microtasks before or after an item changes hands. */
import { describe, expect, it } from 'vitest';
import { BoundedQueue } from '../../src/index.ts';
import { microtasks, watch } from './watch.ts';

const OFFSETS = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const PAIRS = OFFSETS.flatMap((first) => OFFSETS.map((second) => [first, second] as const));

describe('hand-off', () => {
  it.each(OFFSETS)(
    'gives an item to one who waited and not to a newcomer after %i microtasks',
    async (offset) => {
      for (const capacity of [0, 1]) {
        const queue = new BoundedQueue<string>({ capacity });
        const first = watch(queue.take());
        const put = queue.put('a');
        await microtasks(offset);
        const newcomer = watch(queue.take());
        await put;
        await microtasks(9);
        expect(first.outcome).toMatchObject({ value: { value: 'a' } });
        expect(newcomer.outcome).toBe('pending');
        queue.tryPut('b');
        await microtasks(1);
        expect(newcomer.outcome).toMatchObject({ value: { value: 'b' } });
      }
    },
  );

  it.each(PAIRS)(
    'loses no item when a taker leaves %i microtasks after it joined and the item comes after %i',
    async (leaves, comes) => {
      const queue = new BoundedQueue<string>({ capacity: 1 });
      const controller = new AbortController();
      const first = watch(queue.take({ signal: controller.signal }));
      const second = watch(queue.take());
      const leave = microtasks(leaves).then(() => controller.abort('left'));
      await microtasks(comes);
      queue.tryPut('a');
      await leave;
      await microtasks(9);
      const got = [first, second].filter(
        ({ outcome }) => outcome !== 'pending' && JSON.stringify(outcome).includes('"a"'),
      );
      expect(got).toHaveLength(1);
      expect(queue.size).toBe(0);
      if (got[0] === first) expect(second.outcome).toBe('pending');
      else expect(first.outcome).toEqual({ error: 'left' });
    },
  );

  it.each(PAIRS)(
    'keeps the order of puts when one waits, a taker comes after %i microtasks and a newcomer puts after %i',
    async (comes, newcomer) => {
      for (const capacity of [0, 1]) {
        const queue = new BoundedQueue<string>({ capacity });
        const order: string[] = [];
        const put = (value: string): Promise<unknown> => queue.put(value).then(() => order.push(value));
        const puts = [put('a'), put('b')];
        const late = microtasks(newcomer).then(() => put('c'));
        await microtasks(comes);
        const seen: string[] = [];
        for (let taken = 0; taken < 3; taken += 1) seen.push((await queue.take()).value);
        await Promise.all([...puts, late]);
        expect(seen).toEqual(['a', 'b', 'c']);
        expect(order).toEqual(['a', 'b', 'c']);
      }
    },
  );

  it.each(PAIRS)(
    'admits the item of a waiting put or rejects it, never both, when it leaves after %i microtasks and there is room after %i',
    async (leaves, room) => {
      const queue = new BoundedQueue<string>({ capacity: 1 });
      await queue.put('a');
      const controller = new AbortController();
      const put = watch(queue.put('b', { signal: controller.signal }));
      const leave = microtasks(leaves).then(() => controller.abort('left'));
      await microtasks(room);
      await queue.take();
      await leave;
      await microtasks(9);
      const rest = queue.tryTake()?.value;
      if (rest === 'b') expect(put.outcome).toEqual({ value: undefined });
      else expect([rest, put.outcome]).toEqual([undefined, { error: 'left' }]);
    },
  );

  it.each(PAIRS)(
    'settles all who wait when it closes after %i microtasks and an item comes after %i',
    async (closes, comes) => {
      const queue = new BoundedQueue<string>({ capacity: 1 });
      const iterator = queue[Symbol.asyncIterator]();
      const all = [queue.take(), iterator.next(), queue.takeBatch({ max: 2 })].map((call) =>
        watch<unknown>(call),
      );
      const close = microtasks(closes).then(() => queue.close());
      await microtasks(comes);
      const put = watch(queue.put('a'));
      await close;
      await microtasks(9);
      expect(all.map(({ outcome }) => outcome)).not.toContain('pending');
      expect(put.outcome).not.toBe('pending');
      const delivered = all.filter(({ outcome }) => JSON.stringify(outcome).includes('"a"'));
      expect(delivered).toHaveLength(JSON.stringify(put.outcome) === '{}' ? 1 : 0);
    },
  );

  it.each(PAIRS)(
    'handles an item once when a consumer stops after %i microtasks and the item comes after %i',
    async (stops, comes) => {
      const queue = new BoundedQueue<string>({ capacity: 1 });
      const seen: string[] = [];
      const consumer = queue.consume((value) => void seen.push(`first ${value}`));
      const stop = microtasks(stops).then(() => consumer.stop());
      await microtasks(comes);
      queue.tryPut('a');
      await stop;
      queue.consume((value) => void seen.push(`second ${value}`));
      await queue.drain();
      await microtasks(9);
      expect(seen).toHaveLength(1);
    },
  );

  it.each(PAIRS)(
    'counts an item as left or has it handled, never both, when all is cancelled after %i microtasks and it comes after %i',
    async (cancels, comes) => {
      const queue = new BoundedQueue<string>({ capacity: 1 });
      const seen: string[] = [];
      queue.consume((value) => void seen.push(value));
      const cancel = microtasks(cancels).then(() => queue.cancel('enough'));
      await microtasks(comes);
      const admitted = queue.tryPut('a');
      await cancel;
      const { left } = await queue.drain();
      expect(seen.length + left).toBe(admitted ? 1 : 0);
    },
  );
});
