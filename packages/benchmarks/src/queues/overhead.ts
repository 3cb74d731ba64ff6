/**
 * `pnpm bench:queues`: what a job queue costs above its engine's bare client, at the same settings and the same durability, in
 * alternating rounds. Redis and PostgreSQL are started for it, and left out where they are not installed. Exits 1 where a demand was missed.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobQueue } from '@holdfast/core';
import {
  postgresServer,
  redisServer,
  type EngineServer,
  type ServerKind,
} from '@holdfast/conformance/engines';
import { bullmq } from '@holdfast/jobs-bullmq';
import { sqlite } from '@holdfast/jobs-sqlite';
import { DatabaseSync } from '@photostructure/sqlite';
import { createPostgresBackend, FlowProducer, Queue, Worker } from 'bullmq';
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

/** What both of BullMQ's engines have in common. */
interface BareQueue {
  waitUntilReady(): Promise<unknown>;
  add(name: string, data: object, options: object): Promise<unknown>;
  addBulk(jobs: { name: string; data: object; opts: object }[]): Promise<unknown>;
}
interface BareFlows {
  addBulk(flows: { name: string; queueName: string; data: object; opts: object }[]): Promise<unknown>;
}

/** BullMQ itself, on the engine that is measured. */
interface Bare {
  /** What is said of the engine. */
  readonly engine: string;
  readonly queue: (name: string) => BareQueue;
  readonly flows: () => BareFlows;
  readonly worker: (name: string, done: () => void) => { close(): Promise<void> };
}

const CONCURRENCY = 16;

function bareRedis(url: string): Bare {
  const connection = { url };
  return {
    engine: 'Redis, its append-only file flushed every second',
    queue: (name) => new Queue(name, { connection }),
    flows: () => new FlowProducer({ connection }),
    worker: (name, done) =>
      new Worker(name, async () => done(), {
        connection: { url, maxRetriesPerRequest: null },
        concurrency: CONCURRENCY,
      }),
  };
}

function barePostgres(connectionString: string): Bare {
  const connection = { connectionString, max: 4 };
  return {
    engine: 'PostgreSQL as it comes',
    queue: (name) => new Queue(name, { connection }, createPostgresBackend),
    flows: () => new FlowProducer({ connection }, createPostgresBackend),
    worker: (name, done) =>
      new Worker(name, async () => done(), { connection, concurrency: CONCURRENCY }, createPostgresBackend),
  };
}

/** A job as BullMQ takes it. */
function job(): { name: string; data: typeof payload; opts: object } {
  return { name: 'job', data: payload, opts: options() };
}

function hundred<T>(one: () => T): T[] {
  return Array.from({ length: 100 }, one);
}

function many(queue: JobQueue<typeof payload>): Promise<unknown> {
  return queue.enqueueMany(hundred(() => ({ payload })));
}

async function bullCases(name: string, url: string, bare: Bare): Promise<readonly Case[]> {
  const mine = (queue: string): JobQueue<typeof payload> =>
    new JobQueue<typeof payload>({ name: queue, url, engines: [bullmq] });
  const [ours, oursFilled] = [mine('ours'), mine('ours-filled')];
  // makes the tables, too
  await Promise.all([ours.open(), oursFilled.open()]);
  const [theirs, theirsFilled, flows] = [bare.queue('bare'), bare.queue('bare-filled'), bare.flows()];
  await Promise.all([theirs.waitUntilReady(), theirsFilled.waitUntilReady()]);
  const fill = async (add: () => Promise<unknown>): Promise<void> => {
    for (let n = 0; n < JOBS; n += 100) await add();
  };
  const work = `${JOBS} jobs of 210 bytes, with an id for deduplication and a priority, on ${bare.engine}.`;
  const add = 'BullMQ, Queue.add';
  const flow = 'BullMQ, FlowProducer.addBulk';
  const worker = 'BullMQ, Worker';
  return [
    {
      name: `${name}, enqueue, ${IN_FLIGHT} at a time`,
      work,
      operations: JOBS,
      contenders: [
        { name: 'JobQueue', run: () => each(IN_FLIGHT, () => ours.enqueue(payload)) },
        { name: add, run: () => each(IN_FLIGHT, () => theirs.add('job', payload, options())) },
      ],
      demands: [{ against: add, ratio: 0.85 }],
    },
    {
      name: `${name}, enqueue in hundreds`,
      work: `${work} A hundred are all taken or none, but by Queue.addBulk on Redis.`,
      operations: JOBS,
      contenders: [
        { name: 'JobQueue', run: () => fill(() => many(ours)) },
        {
          name: flow,
          run: () => fill(() => flows.addBulk(hundred(() => ({ ...job(), queueName: 'bare' })))),
        },
        { name: 'BullMQ, Queue.addBulk', run: () => fill(() => theirs.addBulk(hundred(job))) },
      ],
      demands: [{ against: flow, ratio: 0.85 }],
    },
    {
      name: `${name}, consume, ${CONCURRENCY} at a time`,
      work: `${work} They are there before; handlers do nothing. A consumer's start and its end are part of it.`,
      operations: JOBS,
      contenders: [
        {
          name: 'JobQueue',
          prepare: () => fill(() => many(oursFilled)),
          run: () =>
            consumed((done) => {
              const loop = oursFilled.consume(done, { concurrency: CONCURRENCY });
              return () => loop.stop();
            }),
        },
        {
          name: worker,
          prepare: () => fill(() => theirsFilled.addBulk(hundred(job))),
          run: () =>
            consumed((done) => {
              const one = bare.worker('bare-filled', done);
              return () => one.close();
            }),
        },
      ],
      demands: [{ against: worker, ratio: 0.85 }],
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

async function started(kind: ServerKind, args: readonly string[]): Promise<EngineServer | undefined> {
  if (kind.found()) return kind.start(args);
  console.error(`SKIP ${kind.name}: ${kind.binary} not found (apt-get install ${kind.debianPackage})`);
  return undefined;
}

const folder = mkdtempSync(join(tmpdir(), 'bench-queues-'));
const redis = await started(redisServer, ['--appendfsync', 'everysec']);
const postgres = await started(postgresServer, []);
const cases = [
  ...(await sqliteCases(folder)),
  ...(redis === undefined ? [] : await bullCases('Redis', redis.url, bareRedis(redis.url))),
  ...(postgres === undefined ? [] : await bullCases('PostgreSQL', postgres.url, barePostgres(postgres.url))),
];
const results: Result[] = [];
for (const subject of cases) {
  console.error(`measuring ${subject.name}`);
  const measured = await measure(subject, ROUNDS);
  const { name, work, operations } = subject;
  results.push({ subject: { name, work, operations }, measured, verdicts: judge(subject, measured) });
}
console.log(markdown(results, machine(['bullmq', 'ioredis', '@photostructure/sqlite'])));
await redis?.[Symbol.asyncDispose]();
await postgres?.[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });
// connections of both sides are left to the end of the process
process.exit(results.some(({ verdicts }) => verdicts.some(({ met }) => !met)) ? 1 : 0);
