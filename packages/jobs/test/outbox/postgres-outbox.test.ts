import { Wire, onServer, postgresServer, redisServer } from '@holdfast/conformance';
import { JobQueue, subscribe, type EnqueueResult } from '@holdfast/core';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PostgresOutbox, type PostgresForwardOptions } from '../../src/index.ts';
import { borrow } from '../../src/postgres/postgres-client.ts';
import { temporaryFiles } from '../folder.ts';
import { killedForwarders, type KilledOutbox } from './killed.ts';
import { outboxContract, type OutboxUnderTest } from './outbox-contract.ts';

const newFile = temporaryFiles();

onServer(postgresServer, (server) => {
  let pool: Pool;
  const outbox = new PostgresOutbox<unknown>({ name: 'mails' });

  beforeAll(async () => {
    pool = new Pool({ connectionString: server.url, max: 12 });
    pool.on('error', () => {}); // connections are cut on purpose
    await Promise.all(Array.from({ length: 4 }, () => outbox.migrate(pool)));
  });
  beforeEach(async () => void (await pool.query('DELETE FROM holdfast_outbox')));
  afterAll(() => pool.end());

  const write: OutboxUnderTest['write'] = async (entries, end = 'COMMIT') => {
    const heard = (): void => {};
    const client = await borrow(pool, heard, 10_000);
    try {
      await client.query('BEGIN');
      const results: EnqueueResult[] = [];
      for (const { payload, options } of entries)
        results.push(await outbox.enqueue(client, payload, options));
      await client.query(end);
      return results;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      throw error;
    } finally {
      client.removeListener('error', heard);
      client.release();
    }
  };

  async function rows(): Promise<number> {
    const { rows } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM holdfast_outbox');
    return Number(rows[0]?.n);
  }

  outboxContract(async () => ({
    write,
    writeMany: async (jobs) => {
      const client = await pool.connect();
      try {
        return await outbox.enqueueMany(client, jobs);
      } finally {
        client.release();
      }
    },
    forward: (queue, options) => outbox.forward(queue, { db: pool, ...options }),
    restore: () => outbox.restore(pool),
    rows,
    sql: async (text) => void (await pool.query(text)),
  }));

  const killed = async (): Promise<KilledOutbox> => ({
    database: { postgres: server.url },
    write: async (payload) => void (await write([{ payload }])),
    rows,
  });
  describe('before a queue in a file', () => {
    killedForwarders(killed, () => `sqlite:${newFile()}`);
  });
  onServer(redisServer, (redis) => {
    killedForwarders(killed, () => redis.url);
  });

  /** A queue that collects, and a forwarder. */
  function collecting(options: Partial<PostgresForwardOptions> = {}): {
    readonly seen: unknown[];
    readonly forwarder: ReturnType<typeof outbox.forward>;
  } & AsyncDisposable {
    const queue = new JobQueue<unknown>({ name: 'mails', url: 'memory:' });
    const seen: unknown[] = [];
    queue.consume((payload) => void seen.push(payload));
    const forwarder = outbox.forward(queue, { db: pool, ...options });
    const quiet = subscribe(() => {});
    return {
      seen,
      forwarder,
      async [Symbol.asyncDispose]() {
        await forwarder[Symbol.asyncDispose]();
        await queue[Symbol.asyncDispose]();
        quiet[Symbol.dispose]();
      },
    };
  }

  async function listeners(): Promise<number> {
    const { rows } = await pool.query(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()`,
    );
    return rows.length;
  }

  it('hears of a commit without looking', async () => {
    await using there = collecting({ pollMs: 2_000_000 });
    await expect.poll(() => listeners()).toBe(1);
    await write([{ payload: 'now' }]);
    await expect.poll(() => there.seen).toEqual(['now']);
    await write([{ payload: 'again' }]);
    await expect.poll(() => there.seen).toEqual(['now', 'again']);
  });

  it('looks from time to time where it is told not to listen', async () => {
    await using there = collecting({ listen: false, pollMs: 20 });
    await write([{ payload: 'now' }]);
    await expect.poll(() => there.seen).toEqual(['now']);
    expect(await listeners()).toBe(0);
  });

  it('listens again, and goes on, when the server cuts its connections', async () => {
    await using there = collecting({ pollMs: 20 });
    await expect.poll(() => listeners()).toBe(1);
    for (let n = 0; n < 5; n += 1) {
      await pool.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = current_user',
      );
      await write([{ payload: n }]).catch(() => write([{ payload: n }]));
    }
    await expect.poll(() => new Set(there.seen)).toEqual(new Set([0, 1, 2, 3, 4]));
    await expect.poll(() => listeners()).toBe(1);
    await expect.poll(() => there.forwarder.health()).toEqual({ status: 'up' });
  });

  it('leaves rows that somebody holds to them, and takes the others', async () => {
    await write([{ payload: 'held', options: { id: 'held' } }, { payload: 'free' }]);
    const client = await pool.connect();
    await client.query(`BEGIN; SELECT 1 FROM holdfast_outbox WHERE id = 'held' FOR UPDATE`);
    await using there = collecting({ pollMs: 20 });
    await expect.poll(() => there.seen).toEqual(['free']);
    await client.query('ROLLBACK');
    client.release();
    await expect.poll(() => there.seen).toEqual(['free', 'held']);
  });

  it('loses its rows to others when it holds them for longer than its lease', async () => {
    const stuck = new JobQueue<unknown>({ name: 'mails', url: 'memory:' });
    let goOn = (): void => {};
    stuck.enqueueMany = () => new Promise((resolve) => (goOn = () => resolve([])));
    const hangs = outbox.forward(stuck, { db: pool, pollMs: 20, timeoutMs: 100, leaseMs: 200 });
    await write([{ payload: 1 }]);
    await expect.poll(() => hangs.stats()).toMatchObject({ inFlight: 1 });
    await using there = collecting({ pollMs: 20 });
    await expect.poll(() => there.seen).toEqual([1]);
    // it believes that it holds them, and finds that it does not
    goOn();
    await hangs[Symbol.asyncDispose]();
    expect(there.seen).toEqual([1]);
  });

  it.skipIf(server.foreign !== undefined)('goes on when the server was killed and is back', async () => {
    await using there = collecting({ pollMs: 20 });
    await write([{ payload: 'before' }]);
    await expect.poll(() => there.seen).toEqual(['before']);
    await expect.poll(() => rows()).toBe(0);
    await server.control?.kill();
    await expect.poll(() => there.forwarder.health()).toMatchObject({ status: 'down' });
    await server.control?.start();
    await write([{ payload: 'after' }]).catch(() => write([{ payload: 'after' }]));
    await expect.poll(() => there.seen).toEqual(['before', 'after']);
    await expect.poll(() => there.forwarder.health()).toEqual({ status: 'up' });
  });

  it('takes another connection where the way to the server is dead and nobody was told', async () => {
    await using wire = await Wire.to(server.url);
    const far = new Pool({ connectionString: wire.url, max: 4 });
    far.on('error', () => {});
    await using there = collecting({ db: far, pollMs: 20, timeoutMs: 100, leaseMs: 1_000 });
    await write([{ payload: 'before' }]);
    await expect.poll(() => there.seen).toEqual(['before']);
    await expect.poll(() => rows()).toBe(0);
    wire.hold();
    await write([{ payload: 'after' }]);
    await expect
      .poll(() => there.forwarder.stats())
      .toMatchObject({ failures: expect.toSatisfy((n) => n > 0) });
    wire.release();
    await expect.poll(() => there.seen).toEqual(['before', 'after']);
    await expect.poll(() => there.forwarder.health()).toEqual({ status: 'up' });
    await there.forwarder[Symbol.asyncDispose]();
    await expect.poll(() => far.totalCount - far.idleCount).toBe(0);
    await far.end();
  });

  it('is disposed of while the server does not answer', async () => {
    await using wire = await Wire.to(server.url);
    const far = new Pool({ connectionString: wire.url, max: 4 });
    far.on('error', () => {});
    const queue = new JobQueue<unknown>({ name: 'mails', url: 'memory:' });
    const forwarder = outbox.forward(queue, { db: far, pollMs: 20 });
    await expect.poll(() => listeners()).toBe(1);
    wire.hold();
    const begun = performance.now();
    await forwarder[Symbol.asyncDispose]();
    // far below the lease, which a query may take
    expect(performance.now() - begun).toBeLessThan(15_000);
    wire.release();
    await expect.poll(() => far.totalCount - far.idleCount).toBe(0);
    await far.end();
  });

  it('lends connections that come too late to nobody', async () => {
    const one = new Pool({ connectionString: server.url, max: 1 });
    const first = await borrow(one, () => {}, 10_000);
    await expect(borrow(one, () => {}, 20)).rejects.toMatchObject({ code: 'TIMEOUT' });
    first.release();
    await expect.poll(() => [one.waitingCount, one.idleCount]).toEqual([0, 1]);
    await one.end();
  });

  it('goes on beside another one where transactions are repeatable reads', async () => {
    const strict = new Pool({
      connectionString: server.url,
      max: 8,
      options: '-c default_transaction_isolation=repeatable\\ read',
    });
    strict.on('error', () => {});
    await write(Array.from({ length: 400 }, (_, payload) => ({ payload })));
    {
      await using one = collecting({ db: strict, pollMs: 5, batchSize: 3 });
      await using two = collecting({ db: strict, pollMs: 5, batchSize: 3 });
      await expect.poll(() => one.seen.length + two.seen.length).toBe(400);
      for (const { forwarder } of [one, two]) expect(await forwarder.stats()).toMatchObject({ failures: 0 });
    }
    await strict.end();
  });

  it('refuses a pool where a transaction is meant', async () => {
    await expect(outbox.enqueue(pool, 1)).rejects.toThrow('not a pool');
    await expect(outbox.enqueue({} as Pool, 1)).rejects.toThrow('tx must be');
  });

  it('takes a client for a transaction, but needs a pool to forward', async () => {
    const client = await pool.connect();
    const queue = new JobQueue<unknown>({ name: 'mails', url: 'memory:' });
    expect(() => outbox.forward(queue, { db: client as unknown as Pool })).toThrow('db must be a pool');
    client.release();
  });

  it('refuses a pool in which listening would take the only connection', async () => {
    const small = new Pool({ connectionString: server.url, max: 1 });
    const queue = new JobQueue<unknown>({ name: 'mails', url: 'memory:' });
    expect(() => outbox.forward(queue, { db: small })).toThrow('at least, or listen: false');
    await outbox.forward(queue, { db: small, listen: false })[Symbol.asyncDispose]();
    await small.end();
  });

  it('gives every connection back', async () => {
    const own = new Pool({ connectionString: server.url, max: 3 });
    {
      await using there = collecting({ db: own, pollMs: 20 });
      await write([{ payload: 1 }]);
      await expect.poll(() => there.seen).toEqual([1]);
    }
    expect(own.totalCount - own.idleCount).toBe(0);
    expect(own.waitingCount).toBe(0);
    await own.end();
  });
});
