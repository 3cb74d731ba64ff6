/** Commands about dead letters. */
import type { DeadJob, JobQueue } from '@holdfast/core';
import type { Answer, Command, Invocation } from './command.ts';
import { confirm } from './confirm.ts';
import { count, printable, table } from './print.ts';
import { wholeNumber } from './operands.ts';
import { UsageError } from './usage-error.ts';

const PAGE = 1_000;
const MAX_ERROR = 120;

/** All of them. */
export const deadCommands: readonly Command[] = [
  {
    name: 'dead list',
    operands: '<queue>',
    summary: 'list dead jobs, oldest death first',
    options: ['limit', 'cursor'],
    run: list,
  },
  {
    name: 'dead show',
    operands: '<queue> <id>',
    summary: 'show one dead job, its payload and its error',
    options: [],
    run: show,
  },
  {
    name: 'dead requeue',
    operands: '<queue> [id…]',
    summary: 'make dead jobs wait again, with all their attempts',
    options: ['all', 'yes'],
    run: (invocation) => change(invocation, 'requeue', 'requeued'),
  },
  {
    name: 'dead remove',
    operands: '<queue> [id…]',
    summary: 'forget dead jobs',
    options: ['all', 'yes'],
    run: (invocation) => change(invocation, 'remove', 'removed'),
  },
];

async function list({ place, operands: [name = ''], given }: Invocation): Promise<Answer> {
  const limit = wholeNumber('--limit', given.limit ?? '100', 1, PAGE);
  await using queue = await place.queue(name);
  const dead = await queue.deadLetters.list({ limit, cursor: given.cursor });
  const cursor = dead.length < limit ? undefined : dead.at(-1)?.cursor;
  const columns = [
    { title: 'ID' },
    { title: 'ATTEMPTS', right: true },
    { title: 'DIED' },
    { title: 'ERROR' },
  ];
  const rows = dead.map(({ id, attempts, diedAt, error }) => [
    printable(id),
    String(attempts),
    diedAt.toISOString(),
    cut(printable(`${error.name}: ${error.message}`)),
  ]);
  const more = cursor === undefined ? '' : `\nmore: --cursor ${cursor}`;
  return {
    json: { queue: name, dead, cursor },
    text: dead.length === 0 ? 'no dead jobs' : table(columns, rows) + more,
  };
}

async function show({ place, operands: [name = '', id = ''] }: Invocation): Promise<Answer> {
  await using queue = await place.queue(name);
  for await (const job of letters(queue)) {
    if (job.id !== id) continue;
    const { attempts, diedAt, error, payload } = job;
    const text = [
      `id        ${printable(id)}`,
      `attempts  ${attempts}`,
      `died      ${diedAt.toISOString()}`,
      `error     ${printable(`${error.name}: ${error.message}`)}`,
      `payload   ${JSON.stringify(payload, undefined, 2).split('\n').map(printable).join('\n          ')}`,
    ];
    return { json: { queue: name, ...job }, text: text.join('\n') };
  }
  throw new Error(`there is no dead job "${printable(id)}" on ${printable(name)}`);
}

async function change(
  { place, operands: [name = '', ...named], given }: Invocation,
  verb: 'requeue' | 'remove',
  done: string,
): Promise<Answer> {
  if (named.length > 0 === (given.all === true)) throw new UsageError('give the ids of dead jobs, or --all');
  await using queue = await place.queue(name);
  const ids = named.length > 0 ? named : await idsOf(queue);
  if (given.all === true && ids.length > 0)
    await confirm(`${verb} ${count(ids.length, 'dead job')} of ${printable(name)}`, given.yes === true);
  const changed: string[] = [];
  const missing: string[] = [];
  for (const id of ids) ((await queue.deadLetters[verb](id)) ? changed : missing).push(id);
  const lines = [`${done} ${count(changed.length, 'job')} of ${printable(name)}`];
  // of all there were, somebody else may have taken some meanwhile
  const failed = missing.length > 0 && given.all !== true;
  if (failed) lines.push(`not there, or present again: ${missing.map(printable).join(', ')}`);
  return { json: { queue: name, [done]: changed, missing }, text: lines.join('\n'), failed };
}

/** An error as long as a line; `dead show` has the rest. */
function cut(error: string): string {
  return error.length <= MAX_ERROR ? error : `${error.slice(0, MAX_ERROR)}…`;
}

/** Those there are now: one that dies again meanwhile is not taken twice. */
async function idsOf(queue: JobQueue<unknown>): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { id } of letters(queue)) ids.push(id);
  return ids;
}

async function* letters(queue: JobQueue<unknown>): AsyncGenerator<DeadJob<unknown>> {
  let cursor: string | undefined;
  for (;;) {
    const page = await queue.deadLetters.list({ limit: PAGE, cursor });
    yield* page;
    if (page.length < PAGE) return;
    cursor = page.at(-1)?.cursor;
  }
}
