/**
 * `npm run chaos`: the relay on each durable engine, killed again and again, and what that cost. `--events 20000`, `--engine` for
 * one or several with commas, `--seed 1`, `--record` to write the table into the documentation. Exits 1 where anything was lost.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { run, type Result } from './run.ts';
import { engines } from './victim.ts';

const page = new URL('../../../docs/queues.md', import.meta.url);
const MARKS = ['<!-- chaos: written by npm run chaos -- --record -->', '<!-- chaos: end -->'] as const;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '20000' },
    engine: { type: 'string', default: engines.map(({ name }) => name).join(',') },
    seed: { type: 'string', default: '1' },
    record: { type: 'boolean', default: false },
  },
});
const chosen = values.engine.split(',');
const unknown = chosen.find((name) => engines.every((engine) => engine.name !== name));
const [events, seed] = [Number(values.events), Number(values.seed)];
if (unknown !== undefined || !(events > 0 && Number.isInteger(events)) || !Number.isInteger(seed)) {
  console.error(
    'usage: npm run chaos -- [--events N] [--engine sqlite,redis,postgres,nats] [--seed N] [--record]',
  );
  process.exit(2);
}

const results: Result[] = [];
for (const engine of engines) {
  if (!chosen.includes(engine.name)) continue;
  const missing = engine.missing();
  if (missing !== undefined) {
    console.error(`SKIP ${engine.name}: ${missing}`);
    if (process.env['HOLDFAST_REQUIRE_ENGINES'] === '1') process.exitCode = 1;
    continue;
  }
  const result = await run(engine, { events, seed });
  results.push(result);
  console.error(JSON.stringify(result));
  if (result.lost.length > 0 || result.exitCode !== 0) process.exitCode = 1;
}

console.log(table(results.map(row)));
if (values.record) {
  const [begin, end] = MARKS;
  const [head = '', rest = ''] = readFileSync(page, 'utf8').split(begin);
  const [before = '', tail = ''] = rest.split(end);
  writeFileSync(page, `${head}${begin}\n\n${table(merged(before))}\n\n${end}${tail}`);
}

/** A row for each engine: of this run, or what the page has of the others. */
function merged(before: string): string[] {
  return engines.flatMap(({ name }) => {
    const result = results.find(({ engine }) => engine === name);
    const known = before.split('\n').find((line) => line.startsWith(`| ${name} `));
    return result === undefined ? (known ?? []) : row(result);
  });
}

function row(result: Result): string {
  const cells = [
    result.engine,
    result.accepted,
    result.lost.length,
    result.duplicates,
    result.refused,
    `${result.relayKills} (${result.between})`,
    result.engineKills ?? '-',
    result.seconds,
  ];
  return `| ${cells.join(' | ')} |`;
}

function table(rows: readonly string[]): string {
  return [
    '| engine | accepted | lost | sent twice | made to fail | relay killed (between store and queue) | engine killed | s |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
    `Seed ${seed}, Node ${process.version}, ${availableParallelism()} cores.`,
  ].join('\n');
}
