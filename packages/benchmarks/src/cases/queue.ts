/** One producer and one consumer on a queue of 100, every operation awaited; and the same taken in batches. */
import { BoundedQueue } from '@holdfast/core';
import type { Case, CaseAt } from '../case.ts';
import { python } from '../python.ts';

const capacity = 100;

function produceAndConsume(operations: number, consume: (queue: BoundedQueue<number>) => Promise<number>) {
  return async (): Promise<void> => {
    const queue = new BoundedQueue<number>({ capacity });
    const produce = async (): Promise<void> => {
      for (let n = 0; n < operations; n += 1) await queue.put(n);
    };
    const [taken] = await Promise.all([consume(queue), produce()]);
    if (taken !== operations) throw new Error(`${taken} of ${operations} items arrived`);
  };
}

/** Items one by one, beside asyncio.Queue. */
export const queue: CaseAt = (operations): Case => {
  const originals = python('queue', operations);
  const uvloop = originals.some(({ name }) => name === 'Python uvloop');
  return {
    name: `queue ${operations}`,
    work: `${operations} items from one producer to one consumer over a queue of ${capacity}, every put and every take awaited.`,
    operations,
    contenders: [
      {
        name: 'BoundedQueue',
        run: produceAndConsume(operations, async (items) => {
          let taken = 0;
          while (taken < operations) {
            await items.take();
            taken += 1;
          }
          return taken;
        }),
      },
      ...originals,
    ],
    demands: [{ perSecond: 2.5e6 }, ...(uvloop ? [{ against: 'Python uvloop', ratio: 4 }] : [])],
  };
};

/** Items taken as many as there are. */
export const batchedQueue: CaseAt = (operations): Case => ({
  name: `queue, batched take ${operations}`,
  work: `${operations} items put without waiting as long as there is room, taken ${capacity} at a time.`,
  operations,
  contenders: [
    {
      name: 'BoundedQueue.takeBatch',
      async run() {
        const items = new BoundedQueue<number>({ capacity });
        let taken = 0;
        let put = 0;
        while (taken < operations) {
          while (put < operations && items.tryPut(put)) put += 1;
          taken += (await items.takeBatch({ max: capacity })).length;
        }
      },
    },
  ],
  demands: [{ perSecond: 1e7 }],
});
