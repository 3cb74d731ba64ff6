/**
 * `pnpm bench:waiters`: what one more waiter costs. Heap of 100 000 that wait on a semaphore, above that of as many bare promises,
 * and the time to turn all of them away by one signal, from 1 000 to 1 000 000.
 */
import { Semaphore } from '@holdfast/core';
import pLimit from 'p-limit';
import { machine } from './machine.ts';

const WAITERS = 100_000;

/** Bytes for each of the promises that `wait` makes, held until the end. */
function heapPerWaiter(wait: () => Promise<unknown>): number {
  const held: Promise<unknown>[] = Array.from({ length: WAITERS });
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < WAITERS; n += 1) held[n] = wait();
  globalThis.gc?.();
  const after = process.memoryUsage().heapUsed;
  for (const promise of held) promise.catch(() => undefined);
  return (after - before) / WAITERS;
}

async function held(): Promise<Semaphore> {
  const semaphore = new Semaphore({ maxConcurrent: 1 });
  await semaphore.acquire();
  return semaphore;
}

async function abortUs(waiters: number): Promise<number> {
  const semaphore = await held();
  const controller = new AbortController();
  const { signal } = controller;
  const all = Array.from({ length: waiters }, () => semaphore.acquire({ signal }));
  const settled = Promise.allSettled(all);
  globalThis.gc?.();
  const start = performance.now();
  controller.abort();
  await settled;
  return ((performance.now() - start) * 1_000) / waiters;
}

const { runtime, cpu, cores } = machine([]);
console.log(`${runtime}; ${cpu}, ${cores} cores.\n`);

const nothing = (): Promise<void> => Promise.resolve();
const { signal } = new AbortController();
const limited = pLimit(1);
void limited(() => new Promise(() => undefined));
const [acquire, acquireSignal, execute] = [await held(), await held(), await held()];
const kept: (() => void)[] = [];
const rows: readonly (readonly [string, () => Promise<unknown>])[] = [
  [
    'a bare promise with both functions',
    () => new Promise<void>((resolve, reject) => kept.push(resolve, reject)),
  ],
  ['Semaphore.acquire', () => acquire.acquire()],
  ['Semaphore.acquire, with a signal', () => acquireSignal.acquire({ signal })],
  ['Semaphore.execute', () => execute.execute(nothing)],
  ['p-limit', () => limited(nothing)],
];
console.log('| waiting on | bytes of heap each |\n| --- | ---: |');
for (const [name, wait] of rows) console.log(`| ${name} | ${Math.round(heapPerWaiter(wait))} |`);

console.log('\n| waiters turned away by one abort | µs each |\n| ---: | ---: |');
for (const waiters of [1_000, 1_000, 10_000, 100_000, 1_000_000])
  console.log(`| ${waiters} | ${(await abortUs(waiters)).toFixed(2)} |`);
process.exit();
