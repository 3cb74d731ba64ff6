/** A million operations leave nothing behind. Here and not in core, since only Node lets a test collect garbage. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  BoundedQueue,
  CircuitBreaker,
  Policy,
  Semaphore,
  TaskManager,
  retry,
  runBatch,
} from '@holdfast/core';
import { expect, it } from 'vitest';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const { signal } = new AbortController();
const work = async (): Promise<number> => 1;
const queue = new BoundedQueue<number>({ capacity: 10 });
const semaphore = new Semaphore({ maxConcurrent: 2 });
const tasks = new TaskManager({ spawnStacks: false });
const breaker = new CircuitBreaker();
const policy = new Policy({ timeoutMs: 10_000, retry: {}, breaker: {}, bulkhead: { maxConcurrent: 2 } });

const operations: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['BoundedQueue.put and take', () => queue.put(1, { signal }).then(() => queue.take({ signal }))],
  ['Semaphore.execute', () => semaphore.execute(work, { signal })],
  ['TaskManager.spawn', async () => tasks.spawn(work, { signal })],
  ['CircuitBreaker.execute', () => breaker.execute(work, { signal })],
  ['retry', () => retry(work, { signal })],
  ['Policy.execute', () => policy.execute(work, { signal })],
  ['runBatch', () => runBatch([1], work, { signal })],
];

function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

it.each(operations)(
  '%s: the heap is flat over a million operations on one signal',
  async (_, operation) => {
    for (let n = 0; n < 50_000; n += 1) await operation();
    const before = heapUsed();
    for (let n = 0; n < 1_000_000; n += 1) await operation();
    expect(heapUsed() - before).toBeLessThan(500_000);
  },
  120_000,
);
