import { onServer, postgresServer } from '@holdfast/conformance';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IdempotencyGuard, PostgresIdempotencyStore } from '../../src/index.ts';
import { sharedByProcesses } from './processes.ts';
import { storeContract } from './store-contract.ts';

onServer(postgresServer, (server) => {
  let pool: Pool;
  let store: PostgresIdempotencyStore;

  beforeAll(async () => {
    pool = new Pool({ connectionString: server.url, max: 8 });
    store = new PostgresIdempotencyStore(pool);
    await Promise.all(Array.from({ length: 5 }, () => store.migrate()));
  });
  afterAll(() => pool.end());

  // the clock is the server's: what is moved is the past
  async function advance(milliseconds: number): Promise<void> {
    await pool.query(
      `UPDATE holdfast_idempotency SET leased_until = leased_until - $1 * interval '1 ms',
       expires_at = expires_at - $1 * interval '1 ms'`,
      [milliseconds],
    );
  }

  storeContract(async () => {
    await pool.query('TRUNCATE holdfast_idempotency');
    return { store, advance };
  }, 40);

  sharedByProcesses(async () => {
    await pool.query('TRUNCATE holdfast_idempotency');
    return { store, database: { postgres: server.url } };
  });

  it('runs the work of a key once, however many processes are given it', async () => {
    let runs = 0;
    const work = async (): Promise<{ run: number }> => {
      runs += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { run: runs };
    };
    const results = await Promise.all(
      Array.from({ length: 20 }, () =>
        new IdempotencyGuard({ store, name: 'race', maxWaitMs: 5_000 }).execute('key', work),
      ),
    );
    expect(runs).toBe(1);
    expect(results).toEqual(results.map(() => ({ run: 1 })));
  });

  it('keeps an error with characters that PostgreSQL has no text for', async () => {
    const guard = new IdempotencyGuard({ store, name: 'nul', failures: 'keep' });
    const failing = (): never => {
      throw Object.assign(new Error('a\0b'), { retryable: false });
    };
    await expect(guard.execute('key', failing)).rejects.toThrow('a\0b');
    await expect(guard.execute('key', failing)).rejects.toMatchObject({
      code: 'NO_RETRY',
      message: 'a\uFFFDb',
    });
  });

  it('rejects, and runs nothing, where the table is missing', async () => {
    const elsewhere = new Pool({ connectionString: server.url, options: '-c search_path=pg_catalog' });
    let runs = 0;
    const guard = new IdempotencyGuard({ store: new PostgresIdempotencyStore(elsewhere) });
    await expect(guard.execute('key', () => void (runs += 1))).rejects.toThrow('holdfast_idempotency');
    expect(runs).toBe(0);
    await elsewhere.end();
  });
});
