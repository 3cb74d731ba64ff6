/**
 * `pnpm bench:growth [FILE.svg]`: the cost of one operation from 1 000 to 1 000 000 of them. Where it is flat, cost grows linearly.
 * Prints the figures and, where a file is given, draws them.
 */
import { writeFileSync } from 'node:fs';
import type { CaseAt } from './case.ts';
import { batch } from './cases/batch.ts';
import { breaker } from './cases/guards.ts';
import { limiter } from './cases/limiter.ts';
import { queue } from './cases/queue.ts';
import { machine } from './machine.ts';
import { measure } from './measure.ts';
import { plot, type Curve } from './plot.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const growing: Readonly<Record<string, CaseAt>> = {
  'Semaphore.execute, all at once': limiter,
  runBatch: batch,
  'BoundedQueue, put and take': queue,
  'CircuitBreaker, closed': breaker,
};

const curves: Curve[] = [];
for (const [name, at] of Object.entries(growing)) {
  const values: number[] = [];
  for (const size of SIZES) {
    const [ours] = at(size).contenders;
    const subject = { ...at(size), contenders: [ours] as const };
    const rounds = { warmUp: 3, measured: size >= 1_000_000 ? 5 : 15 };
    const [measured] = await measure(subject, rounds);
    values.push(measured?.perOperationUs ?? Number.NaN);
  }
  curves.push({ name, values });
}

const { runtime, cpu, cores } = machine([]);
console.log(`${runtime}; ${cpu}, ${cores} cores. Microseconds for one operation.\n`);
console.log(`| | ${SIZES.map((size) => size.toLocaleString('en')).join(' | ')} |`);
console.log(`| --- | ${SIZES.map(() => '---:').join(' | ')} |`);
for (const { name, values } of curves)
  console.log(`| ${name} | ${values.map((value) => value.toFixed(2)).join(' | ')} |`);
const [, , file] = process.argv;
if (file !== undefined) writeFileSync(file, plot(SIZES, curves));
