/** A limit of 10 over jobs that are all submitted at once. */
import { Semaphore } from '@holdfast/core';
import { Sema } from 'async-sema';
import { bulkhead } from 'cockatiel';
import fastq from 'fastq';
import pLimit from 'p-limit';
import PQueue from 'p-queue';
import type { Case, CaseAt } from '../case.ts';
import { python } from '../python.ts';

const limit = 10;
const ready = Promise.resolve();

function submitAll(operations: number, submit: () => Promise<unknown>): Promise<unknown> {
  const all: Promise<unknown>[] = [];
  for (let n = 0; n < operations; n += 1) all.push(submit());
  return Promise.all(all);
}

/** `operations` asynchronous no-ops through a limit. */
export const limiter: CaseAt = (operations): Case => {
  let done = 0;
  const job = async (): Promise<void> => {
    await ready;
    done += 1;
  };
  const whole = (submit: () => () => Promise<unknown>) => async (): Promise<void> => {
    done = 0;
    await submitAll(operations, submit());
    if (done !== operations) throw new Error(`${done} of ${operations} jobs ran`);
  };
  return {
    name: `limiter ${operations}`,
    work: `${operations} asynchronous no-ops under a limit of ${limit}, all submitted at once.`,
    operations,
    contenders: [
      {
        name: 'Semaphore.execute',
        run: whole(() => {
          const semaphore = new Semaphore({ maxConcurrent: limit });
          return () => semaphore.execute(job);
        }),
      },
      {
        name: 'p-limit',
        run: whole(() => {
          const limited = pLimit(limit);
          return () => limited(job);
        }),
      },
      {
        name: 'fastq',
        run: whole(() => {
          const queue = fastq.promise(job, limit);
          return () => queue.push(undefined);
        }),
      },
      {
        name: 'async-sema',
        run: whole(() => {
          const sema = new Sema(limit, { capacity: operations });
          return async () => {
            await sema.acquire();
            try {
              await job();
            } finally {
              sema.release();
            }
          };
        }),
      },
      {
        name: 'cockatiel bulkhead',
        run: whole(() => {
          const guard = bulkhead(limit, operations);
          return () => guard.execute(job);
        }),
      },
      {
        name: 'p-queue',
        run: whole(() => {
          const queue = new PQueue({ concurrency: limit });
          return () => queue.add(job);
        }),
      },
      ...python('gather', operations),
    ],
    demands: [
      { against: 'fastest peer', ratio: 2 },
      { against: 'p-limit', ratio: 4 },
    ],
  };
};
