/** All cases, at the sizes that the demands speak of. */
import type { Case } from '../case.ts';
import { batch } from './batch.ts';
import { breaker, countingBreaker, retrying, stack } from './guards.ts';
import { limiter } from './limiter.ts';
import { batchedQueue, queue } from './queue.ts';
import { tracked } from './tasks.ts';
import { threadCalls } from './threads.ts';

/** In the order of the report. */
export const cases: readonly Case[] = [
  limiter(10_000),
  batch(10_000),
  tracked(10_000),
  queue(500_000),
  batchedQueue(1_000_000),
  breaker(20_000),
  countingBreaker(20_000),
  retrying(5_000),
  stack(10_000),
  threadCalls(2_000),
];
