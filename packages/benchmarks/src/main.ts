/**
 * `pnpm bench [case …] [--rounds N] [--json FILE]`: measures the cases whose name contains one of the words, prints the table and
 * every demand that was missed, and exits 1 where one was.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cases } from './cases/index.ts';
import { machine } from './machine.ts';
import { markdown, type Result } from './markdown.ts';
import { measure } from './measure.ts';
import { judge } from './verdict.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '15' }, json: { type: 'string' } },
});
const rounds = { warmUp: 3, measured: Number(values.rounds) };

const results: Result[] = [];
for (const subject of cases) {
  if (positionals.length > 0 && !positionals.some((word) => subject.name.includes(word))) continue;
  console.error(`measuring ${subject.name}`);
  const measured = await measure(subject, rounds);
  const { name, work, operations } = subject;
  results.push({ subject: { name, work, operations }, measured, verdicts: judge(subject, measured) });
}

const where = machine([
  'async-retry',
  'async-sema',
  'cockatiel',
  'fastq',
  'opossum',
  'p-limit',
  'p-map',
  'p-queue',
  'p-retry',
  'piscina',
]);
console.log(markdown(results, where));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ where, results }, null, 2)}\n`);
if (results.some(({ verdicts }) => verdicts.some(({ met }) => !met))) process.exitCode = 1;
