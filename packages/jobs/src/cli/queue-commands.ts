/** Commands about queues as a whole. */
import type { Stats } from '@holdfast/core';
import type { Answer, Command, Invocation } from './command.ts';
import { duration, printable, table } from './print.ts';

const NUMBERS = ['waiting', 'active', 'delayed', 'dead'] as const;

/** All of them. */
export const queueCommands: readonly Command[] = [
  {
    name: 'queues',
    operands: '',
    summary: 'list the queues there are, with their depths (also: list)',
    options: [],
    run: listQueues,
  },
  {
    name: 'stats',
    operands: '<queue>',
    summary: 'say how many jobs wait, run, are delayed and are dead, and how old the oldest is',
    options: [],
    run: showStats,
  },
  {
    name: 'pause',
    operands: '<queue>',
    summary: 'deliver no new job to anybody, until resume',
    options: [],
    run: (invocation) => setPaused(invocation, true),
  },
  {
    name: 'resume',
    operands: '<queue>',
    summary: 'go on after pause',
    options: [],
    run: (invocation) => setPaused(invocation, false),
  },
];

async function listQueues({ place }: Invocation): Promise<Answer> {
  const names = await place.names();
  const queues = await Promise.all(
    names.map(async (queue): Promise<QueueStats> => {
      const counts = await place.counts(queue);
      return { queue, ...counts, depth: depthOf(counts) };
    }),
  );
  const columns = [
    { title: 'QUEUE' },
    { title: 'DEPTH', right: true },
    ...NUMBERS.map((number) => ({ title: number.toUpperCase(), right: true })),
    { title: 'OLDEST', right: true },
    { title: '' },
  ];
  const rows = queues.map(({ queue, ...stats }) => [
    printable(queue),
    figure(depthOf(stats)),
    ...NUMBERS.map((number) => figure(stats[number])),
    age(stats),
    stats['paused'] === true ? 'paused' : '',
  ]);
  return { json: { queues }, text: queues.length === 0 ? 'no queues' : table(columns, rows) };
}

interface QueueStats extends Stats {
  readonly queue: string;
}

async function showStats({ place, operands: [name = ''] }: Invocation): Promise<Answer> {
  await using queue = await place.queue(name);
  const stats = await place.counts(queue.name);
  const depth = depthOf(stats);
  const rows = [
    ...NUMBERS.map((number) => [number, figure(stats[number])]),
    ['depth', figure(depth)],
    ['oldest', age(stats)],
    ['paused', yesOrNo(stats['paused'])],
  ];
  return {
    json: { queue: name, ...stats, depth },
    text: table([{ title: printable(name) }, { title: '', right: true }], rows),
  };
}

async function setPaused({ place, operands: [name = ''] }: Invocation, paused: boolean): Promise<Answer> {
  await using queue = await place.queue(name);
  await (paused ? queue.pause() : queue.resume());
  return { json: { queue: name, paused }, text: `${paused ? 'paused' : 'resumed'} ${printable(name)}` };
}

/** Everything accepted and not finished: as the engine knows it, or from its parts. */
function depthOf({ depth, waiting, active, delayed }: Stats): number | undefined {
  if (typeof depth === 'number') return depth;
  const known = typeof waiting === 'number' && typeof active === 'number' && typeof delayed === 'number';
  return known ? waiting + active + delayed : undefined;
}

/** What is not known is no number. */
function figure(value: Stats[string]): string {
  return value === undefined ? '-' : String(value);
}

function yesOrNo(value: Stats[string]): string {
  if (value === undefined) return '-';
  return value === true ? 'yes' : 'no';
}

/** How long the job that waits longest has waited. */
function age({ oldestAgeMs, waiting }: Stats): string {
  if (typeof oldestAgeMs !== 'number') return '-';
  return waiting === 0 ? '-' : duration(oldestAgeMs);
}
