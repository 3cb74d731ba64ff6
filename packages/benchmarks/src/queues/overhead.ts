/**
 * `pnpm bench:queues`: what a job queue costs above its engine's bare client, at the same settings and the same durability, in
 * alternating rounds. Redis is started for it, and left out where it is not installed. Exits 1 where a demand was missed.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobQueue } from '@holdfast/core';
import { redisServer } from '@holdfast/conformance/engines';
import { bullmq } from '@holdfast/jobs-bullmq';
import { sqlite } from '@holdfast/jobs-sqlite';
import { DatabaseSync } from '@photostructure/sqlite';
import { Queue, Worker } from 'bullmq';
import type { Case } from '../case.ts';
import { machine } from '../machine.ts';
import { markdown, type Result } from '../markdown.ts';
import { measure } from '../measure.ts';
import { judge } from '../verdict.ts';

const JOBS = 2_000;
const IN_FLIGHT = 32;
const payload = { to: 'ada@example.org', text: 'x'.repeat(180) };
const ROUNDS = { warmUp: 2, measured: 9 };

/** Calls `work` for each job, so many at a time. */
async function each(inFlight: number, work: () => Promise<unknown>): Promise<void> {
  let left = JOBS;
  const hand = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, hand));
}

async function sqliteCases(folder: string): Promise<readonly Case[]> {
  const queue = new JobQueue<typeof payload>({
    name: 'jobs',
    url: `sqlite:${join(folder, 'ours.db')}`,
    engines: [sqlite],
  });
  await queue.open();
  const bare = new DatabaseSync(join(folder, 'bare.db'));
  bare.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE UNIQUE INDEX ids ON jobs (id)`);
  const insert = bare.prepare('INSERT INTO jobs (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const loop = {
    name: 'a loop of a prepared INSERT',
    run: async () => {
      for (let n = 0; n < JOBS; n += 1) insert.run(randomUUID(), JSON.stringify(payload));
    },
    // a statement does not keep its database alive, and so it is named here
    close: () => void bare.prepare('SELECT 1'),
  };
  const demands = [{ against: loop.name, ratio: 0.7 }];
  return [1, IN_FLIGHT].map((inFlight) => ({
    name: `SQLite, enqueue, ${inFlight} at a time`,
    work: `${JOBS} jobs of 210 bytes, each kept past a kill when it is answered; the bare table has the ids unique too.`,
    operations: JOBS,
    contenders: [
      { name: 'JobQueue on sqlite:', run: () => each(inFlight, () => queue.enqueue(payload)) },
      loop,
    ] as const,
    demands,
  }));
}

/** What BullMQ is told of each job, as the driver tells it. */
function options(): object {
  return {
    jobId: randomUUID(),
    deduplication: { id: randomUUID() },
    priority: 1,
    removeOnComplete: true,
    removeOnFail: true,
  };
}

async function redisCases(url: string): Promise<readonly Case[]> {
  const connection = { url };
  const ours = new JobQueue<typeof payload>({ name: 'ours', url, engines: [bullmq] });
  const bare = new Queue('bare', { connection });
  await ours.open();
  const filledOurs = new JobQueue<typeof payload>({ name: 'filled-ours', url, engines: [bullmq] });
  const filledBare = new Queue('filled-bare', { connection });
  await bare.waitUntilReady();
  const work = `${JOBS} jobs of 210 bytes, with an id for deduplication and a priority, on Redis with its append-only file.`;
  return [
    {
      name: `Redis, enqueue, ${IN_FLIGHT} at a time`,
      work,
      operations: JOBS,
      contenders: [
        { name: 'JobQueue on redis:', run: () => each(IN_FLIGHT, () => ours.enqueue(payload)) },
        { name: 'BullMQ, add', run: () => each(IN_FLIGHT, () => bare.add('job', payload, options())) },
      ],
      demands: [{ against: 'BullMQ, add', ratio: 0.85 }],
    },
    {
      name: 'Redis, enqueue in hundreds and consume, 16 at a time',
      work: `${work} Handlers do nothing.`,
      operations: JOBS,
      contenders: [
        {
          name: 'JobQueue on redis:',
          async run() {
            for (let n = 0; n < JOBS; n += 100)
              await filledOurs.enqueueMany(Array.from({ length: 100 }, () => ({ payload })));
            await consumed((done) => {
              const loop = filledOurs.consume(done, { concurrency: 16 });
              return () => loop.stop();
            });
          },
        },
        {
          name: 'BullMQ, addBulk and Worker',
          async run() {
            for (let n = 0; n < JOBS; n += 100)
              await filledBare.addBulk(
                Array.from({ length: 100 }, () => ({ name: 'job', data: payload, opts: options() })),
              );
            await consumed((done) => {
              const worker = new Worker('filled-bare', async () => done(), {
                connection: { url, maxRetriesPerRequest: null },
                concurrency: 16,
              });
              return () => worker.close();
            });
          },
        },
      ],
      demands: [{ against: 'BullMQ, addBulk and Worker', ratio: 0.85 }],
    },
  ];
}

/** Consumes until all jobs are done, and ends the consumer. */
async function consumed(begin: (done: () => void) => () => Promise<unknown>): Promise<void> {
  let left = JOBS;
  let resolve: (() => void) | undefined;
  const all = new Promise<void>((done) => (resolve = done));
  const stop = begin(() => {
    left -= 1;
    if (left === 0) resolve?.();
  });
  await all;
  await stop();
}

const folder = mkdtempSync(join(tmpdir(), 'bench-queues-'));
const server = redisServer.found() ? await redisServer.start() : undefined;
if (server === undefined) console.error('SKIP redis: redis-server not found (apt-get install redis-server)');
const cases = [...(await sqliteCases(folder)), ...(server === undefined ? [] : await redisCases(server.url))];
const results: Result[] = [];
for (const subject of cases) {
  console.error(`measuring ${subject.name}`);
  const measured = await measure(subject, ROUNDS);
  const { name, work, operations } = subject;
  results.push({ subject: { name, work, operations }, measured, verdicts: judge(subject, measured) });
}
console.log(markdown(results, machine(['bullmq', 'ioredis', '@photostructure/sqlite'])));
await server?.[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });
// connections of both sides are left to the end of the process
process.exit(results.some(({ verdicts }) => verdicts.some(({ met }) => !met)) ? 1 : 0);
