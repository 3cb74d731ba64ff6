/** A batch with ten items in flight. */
import { runBatch } from '@holdfast/core';
import pMap from 'p-map';
import type { Case, CaseAt } from '../case.ts';

const concurrency = 10;
const ready = Promise.resolve();

const double = async (n: number): Promise<number> => {
  await ready;
  return n * 2;
};

/** `operations` items through an asynchronous no-op. */
export const batch: CaseAt = (operations): Case => {
  const items = Array.from({ length: operations }, (_, n) => n);
  return {
    name: `batch ${operations}`,
    work: `${operations} items through an asynchronous no-op, ${concurrency} at once, results in input order.`,
    operations,
    contenders: [
      {
        name: 'runBatch',
        async run() {
          const { successes } = await runBatch(items, double, { concurrency });
          if (successes.length !== operations) throw new Error('items were lost');
        },
      },
      {
        name: 'p-map',
        async run() {
          const results = await pMap(items, double, { concurrency });
          if (results.length !== operations) throw new Error('items were lost');
        },
      },
    ],
    demands: [{ against: 'p-map', ratio: 3 }],
  };
};
