/** What is BullMQ's own; what it has in common with every engine is in the suite. */
import { EngineUnavailableError, JobQueue, subscribe } from '@holdfast/core';
import {
  onServer,
  postgresServer,
  redisServer,
  type ServerInUse,
  type ServerKind,
} from '@holdfast/conformance';
import { bullmq } from '@holdfast/jobs-bullmq';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { BullmqDriver } from '../../../jobs-bullmq/src/bullmq-driver.ts';
import { engineOf } from '../../../jobs-bullmq/src/bullmq-engine.ts';
import { readLocation } from '../../../jobs-bullmq/src/location.ts';

const listening = subscribe(() => {});
afterAll(() => listening[Symbol.dispose]());

const PATIENT = { timeout: 10_000 };
const queues: JobQueue<unknown>[] = [];
let places = 0;

function queueAt<T = unknown>(url: string, options: object = {}): JobQueue<T> {
  const queue = new JobQueue<T>({ name: 'q', url, engines: [bullmq], ...options });
  queues.push(queue);
  return queue;
}

afterEach(async () => {
  vi.restoreAllMocks();
  for (const queue of queues.splice(0)) {
    queue.cancel();
    await queue[Symbol.asyncDispose]();
  }
});

/**
 * Buries jobs that died at the same instant in several processes, which then may be kept in any order, and gives what is listed by
 * pages of different lengths.
 */
async function deathsOfOneInstant(url: string): Promise<readonly (readonly string[])[]> {
  const drivers = [1, 2, 3].map(() => new BullmqDriver(readLocation(new URL(url)), () => import('bullmq')));
  const now = Date.now();
  for (const driver of drivers) await driver.open({});
  vi.spyOn(Date, 'now').mockReturnValue(now);
  for (const [n, driver] of drivers.entries())
    for (const name of ['z', 'a']) {
      const id = `${name}${3 - n}`;
      await driver.dead.bury('q', { ...JOB, id }, { attempts: 1, error: { name: 'Error', message: 'x' } });
    }
  vi.restoreAllMocks();
  const listed: string[][] = [];
  for (const limit of [1, 2, 3, 4, 100]) {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await queueAt(url).deadLetters.list({ limit, cursor });
      seen.push(...page.map(({ id }) => id));
      cursor = page.at(-1)?.cursor;
    } while (cursor !== undefined);
    listed.push(seen.toSorted());
  }
  for (const driver of drivers) await driver.close();
  return listed;
}

const EACH_ONCE = Array.from({ length: 5 }, () => ['a1', 'a2', 'a3', 'z1', 'z2', 'z3']);

const JOB = {
  body: '1',
  headers: {},
  delayMs: 0,
  priority: 'normal',
  enqueuedAt: 0,
  maxRetries: 0,
} as const;

/** A server of the test's own, with these arguments. */
async function configured(
  kind: ServerKind,
  args: readonly string[],
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = await kind.start(args);
  try {
    await use(server.url);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

onServer(redisServer, (server: ServerInUse) => {
  const place = (): string => `${server.url}?prefix=own-${process.pid}-${(places += 1)}`;

  it('names its queues, those of other processes included', async () => {
    const url = place();
    for (const name of ['mails', 'ü:€', 'audits']) await queueAt(url, { name }).enqueue('x');
    const driver = bullmq.connect(new URL(url));
    await driver.open({});
    await expect(driver.queues?.()).resolves.toEqual(['audits', 'mails', 'ü:€']);
    await driver.close();
    await expect(driver.queues?.()).rejects.toBeInstanceOf(EngineUnavailableError);
  });

  it('lists every death once, also those of one instant', { timeout: 30_000 }, async () => {
    expect(await deathsOfOneInstant(place())).toEqual(EACH_ONCE);
  });

  it('leaves nothing of a job that is done', async () => {
    const url = place();
    const queue = queueAt<number>(url);
    let done = 0;
    queue.consume(() => void (done += 1));
    await queue.enqueueMany(Array.from({ length: 20 }, (_, payload) => ({ payload })));
    await expect.poll(() => done, PATIENT).toBe(20);
    const client = new Redis(server.url);
    const prefix = new URL(url).searchParams.get('prefix');
    // of the queue itself; each of the others would be one for each job
    const own = new Set(['events', 'id', 'marker', 'meta', 'stalled-check']);
    const left = async (): Promise<readonly string[]> =>
      (await client.keys(`${prefix}:q:*`)).filter((key) => !own.has(key.slice(`${prefix}:q:`.length)));
    await expect.poll(left, PATIENT).toEqual([]);
    client.disconnect();
  });

  it('works on a job that was added with BullMQ itself', async () => {
    const url = place();
    const { hostname, port, searchParams } = new URL(url);
    const foreign = new Queue('q', {
      connection: { host: hostname, port: Number(port) },
      prefix: searchParams.get('prefix') ?? 'bull',
    });
    const { id } = await foreign.add('mail', { to: 'ada' }, { attempts: 2 });
    await foreign.close();
    const seen: unknown[] = [];
    queueAt(url).consume((payload, ctx) => void seen.push([payload, ctx.id, ctx.attempt, ctx.maxRetries]));
    await expect.poll(() => seen, PATIENT).toEqual([[{ to: 'ada' }, id, 1, 1]]);
  });

  it('refuses PostgreSQL on BullMQ 5, which has none', async () => {
    const engines = [engineOf(() => import('bullmq-5'))];
    await expect(queueAt('postgres://127.0.0.1:1/x', { engines }).open()).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });

  describe('a Redis that may lose jobs', () => {
    it.each([
      [['--appendonly', 'no'], 'appendonly is off'],
      [['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'], 'must be noeviction'],
    ])('is refused: %j', async (args, reason) => {
      await configured(redisServer, args, async (url) => {
        await expect(queueAt(url).open()).rejects.toMatchObject({
          code: 'UNSAFE_ENGINE',
          message: expect.stringContaining(reason),
        });
        const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
        const taken = queueAt<number>(`${url}?allowUnsafe=true`);
        expect(await taken.enqueue(1)).toMatchObject({ status: 'enqueued' });
        expect(warned).toHaveBeenCalledWith(expect.stringContaining(reason), expect.anything());
      });
    });
  });

  it('says that a Redis has no memory left, and loses nothing it has accepted', async () => {
    await configured(redisServer, ['--maxmemory', '8mb'], async (url) => {
      const queue = queueAt<string>(url);
      const body = 'x'.repeat(50_000);
      let accepted = 0;
      await expect(
        (async () => {
          for (; accepted < 1_000; accepted += 1) await queue.enqueue(body);
        })(),
      ).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE', message: expect.stringContaining('OOM') });
      const client = new Redis(url);
      await client.config('SET', 'maxmemory', '200mb');
      client.disconnect();
      let done = 0;
      queue.consume((payload) => {
        expect(payload).toBe(body);
        done += 1;
      });
      await expect.poll(() => done, PATIENT).toBe(accepted);
      expect(accepted).toBeGreaterThan(10);
    });
  });
});

onServer(postgresServer, (server: ServerInUse) => {
  const place = (): string => `${server.url}?schema=own_${process.pid}_${(places += 1)}`;

  it('names its queues', async () => {
    const url = place();
    await queueAt(url, { name: 'mails' }).enqueue('x');
    await queueAt(url, { name: 'audits' }).enqueue('x');
    const driver = bullmq.connect(new URL(url));
    await driver.open({});
    await expect(driver.queues?.()).resolves.toEqual(['audits', 'mails']);
    await driver.close();
  });

  it('lists every death once, also those of one instant', { timeout: 30_000 }, async () => {
    expect(await deathsOfOneInstant(place())).toEqual(EACH_ONCE);
  });

  it('makes its tables once, however many open at the same time', async () => {
    const url = place();
    await Promise.all(Array.from({ length: 6 }, () => queueAt(url).open()));
    expect(await queueAt(url).enqueue(1)).toMatchObject({ status: 'enqueued' });
  });

  it('opens for somebody who may not make tables, where they are there', async () => {
    const url = place();
    await queueAt(url).enqueue('from the owner');
    const schema = new URL(url).searchParams.get('schema');
    const client = new Client(server.url);
    await client.connect();
    const user = `guest_${process.pid}`;
    await client.query(`CREATE ROLE ${user} LOGIN`);
    await client.query(`REVOKE CREATE ON DATABASE postgres FROM PUBLIC`);
    await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${user}`);
    await client.query(`GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${user}`);
    await client.query(`GRANT ALL ON ALL SEQUENCES IN SCHEMA ${schema} TO ${user}`);
    const guest = new URL(url);
    guest.username = user;
    const seen: unknown[] = [];
    const queue = queueAt(guest.href);
    queue.consume((payload) => void seen.push(payload));
    await expect.poll(() => seen, PATIENT).toEqual(['from the owner']);
    queue.cancel();
    await queue[Symbol.asyncDispose]();
    await client.query(`DROP OWNED BY ${user}`);
    await client.query(`DROP ROLE ${user}`);
    await client.end();
  });

  it('leaves no connection behind', async () => {
    const url = `${place()}&application_name=own`;
    const queue = queueAt<number>(url);
    let done = 0;
    queue.consume(() => void (done += 1));
    await queue.enqueue(1);
    await expect.poll(() => done, PATIENT).toBe(1);
    queue.cancel();
    await queue[Symbol.asyncDispose]();
    const client = new Client(server.url);
    await client.connect();
    const left = async (): Promise<unknown> =>
      (
        await client.query(
          `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name IN ('own', 'q')`,
        )
      ).rows;
    await expect.poll(left, PATIENT).toEqual([{ n: 0 }]);
    await client.end();
  });
});
