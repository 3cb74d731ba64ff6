/**
 * `pnpm bench:http [framework …] [--rounds N] [--requests N]`: what a request scope and the mapping of errors cost on a hello-world
 * route. For each framework three servers run at the same time, each in its own process, and rounds go to them by turns: as it is, with a
 * middleware that only opens an asynchronous context, and with Holdfast. The demand is 95 % of the bare framework's throughput; exits 1 where it is missed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../machine.ts';
import { median } from '../measure.ts';
import { Load } from './load.ts';
import type { Word } from './server-process.ts';
import { trios } from './servers.ts';

const DEMAND = 0.95;
const CONNECTIONS = 50;
const WARM_UP = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '15' },
    requests: { type: 'string', default: '10000' },
  },
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);

/** A server in its process, and connections to it. */
class Subject {
  readonly #child: ChildProcess;
  readonly #load: Load;
  readonly perSecond: number[] = [];
  readonly cpuUs: number[] = [];

  private constructor(child: ChildProcess, load: Load) {
    this.#child = child;
    this.#load = load;
  }

  static async start(framework: string, kind: string): Promise<Subject> {
    const child = fork(fileURLToPath(new URL('./server-process.js', import.meta.url)), [framework, kind]);
    const word = await heard(child);
    if (!('port' in word)) throw new Error('it has not said where it listens');
    return new Subject(child, await Load.open(word.port, CONNECTIONS));
  }

  async round(counts: boolean): Promise<void> {
    const before = await this.#cpuMs();
    const tookMs = await this.#load.send(requests);
    const cpuMs = (await this.#cpuMs()) - before;
    if (!counts) return;
    this.perSecond.push((requests / tookMs) * 1_000);
    this.cpuUs.push((cpuMs / requests) * 1_000);
  }

  async stop(): Promise<void> {
    this.#load.close();
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async #cpuMs(): Promise<number> {
    this.#child.send('cpu');
    const word = await heard(this.#child);
    if (!('cpuMs' in word)) throw new Error('it has not said what its CPU did');
    return word.cpuMs;
  }
}

function heard(child: ChildProcess): Promise<Word> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the server has ended'));
    child.once('exit', ended);
    child.once('message', (word: Word) => {
      child.off('exit', ended);
      resolve(word);
    });
  });
}

const KINDS = ['bare', 'context', 'holdfast'] as const;

interface Row {
  readonly framework: string;
  /** In the order of the kinds. */
  readonly subjects: readonly Subject[];
}

async function compare(framework: string): Promise<Row> {
  const subjects = await Promise.all(KINDS.map((kind) => Subject.start(framework, kind)));
  for (let round = 0; round < WARM_UP + rounds; round += 1)
    for (let turn = 0; turn < subjects.length; turn += 1)
      await subjects[(turn + round) % subjects.length]?.round(round >= WARM_UP);
  for (const subject of subjects) await subject.stop();
  return { framework, subjects };
}

/** Throughput as a share of the bare framework's: the median of the rounds' own shares. */
function shareOf({ subjects }: Row, kind: (typeof KINDS)[number]): number {
  const [bare] = subjects;
  const subject = subjects[KINDS.indexOf(kind)];
  return median(
    subject?.perSecond.map((perSecond, round) => perSecond / (bare?.perSecond[round] ?? Number.NaN)) ?? [],
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const rows: Row[] = [];
for (const framework of Object.keys(trios)) {
  if (positionals.length > 0 && !positionals.some((word) => framework.includes(word))) continue;
  console.error(`measuring ${framework}`);
  rows.push(await compare(framework));
}

const where = machine(['express', 'hono', '@hono/node-server', '@nestjs/core', '@nestjs/platform-fastify']);
const versions = Object.entries(where.versions).map(([name, version]) => `${name} ${version}`);
console.log(
  `${where.runtime}; ${where.cpu}, ${where.cores} cores, ${where.memoryGiB} GiB. ${versions.join(', ')}.`,
);
console.log(`
${requests} requests a round on ${CONNECTIONS} connections, ${rounds} rounds.

| framework | bare, requests/s | with a context | with Holdfast | CPU µs a request | with a context | with Holdfast |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |`);
for (const row of rows) {
  const figures = [
    Math.round(median(row.subjects[0]?.perSecond ?? [])),
    percent(shareOf(row, 'context')),
    percent(shareOf(row, 'holdfast')),
    ...row.subjects.map(({ cpuUs }) => median(cpuUs).toFixed(1)),
  ];
  console.log(`| ${row.framework} | ${figures.join(' | ')} |`);
}
console.log('');
for (const row of rows) {
  const share = shareOf(row, 'holdfast');
  const verdict = share >= DEMAND ? 'Met' : '**Not met**';
  console.log(`${verdict}: at least 95 % of ${row.framework}; reached ${percent(share)}.`);
}
if (rows.some((row) => shareOf(row, 'holdfast') < DEMAND)) process.exitCode = 1;
