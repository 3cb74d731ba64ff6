/**
 * `npm run simulate:flaky-upstream -- [contender …] [--seed N] [--json FILE]`: one contender after the other, each in a process of
 * its own against an upstream of its own, through the same outage. Prints the table of docs/flaky-upstream.md. The exit code is 1 where
 * Holdfast came again sooner than `Retry-After` allowed or did not recover; what the others do decides nothing.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../machine.ts';
import { contenders, ours } from './contenders.ts';
import type { Figures } from './figures.ts';
import { run, type Plan } from './run.ts';
import { table } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, json: { type: 'string' }, only: { type: 'string' } },
});

const plan: Plan = {
  seed: Number(values.seed),
  lengths: { healthy: 5_000, flaky: 5_000, stretch: 1_000, recovery: 10_000 },
  perSecond: 250,
  workers: 20,
  serviceMs: 40,
  backlog: 2_000,
};

const only = contenders.find(({ name }) => name === values.only);
if (only !== undefined) {
  process.once('disconnect', () => process.exit()); // nobody waits for the figures any more
  if (!process.connected) process.exit();
  process.send?.(await run(only, plan));
  process.disconnect();
} else {
  const figures: Figures[] = [];
  for (const { name } of contenders) {
    const lower = name.toLowerCase();
    if (positionals.length > 0 && !positionals.some((word) => lower.includes(word.toLowerCase()))) continue;
    console.error(`driving ${name}`);
    const child = fork(fileURLToPath(import.meta.url), ['--only', name, '--seed', values.seed]);
    figures.push(await resultOf(child));
  }
  const bad = figures
    .filter(({ name }) => ours.some((contender) => contender.name === name))
    .some(({ early, recoveredAfterS }) => early > 0 || recoveredAfterS === undefined);
  if (bad) process.exitCode = 1;
  const where = machine(['cockatiel', 'opossum', 'p-retry']);
  console.log(table(figures, where));
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ where, plan, figures }, null, 2)}\n`);
}

async function resultOf(child: ChildProcess): Promise<Figures> {
  const failed = async (): Promise<never> => {
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`the run ended with ${code}`);
    return new Promise(() => {});
  };
  const [result] = await Promise.race([once(child, 'message'), failed()]);
  return result as Figures;
}
