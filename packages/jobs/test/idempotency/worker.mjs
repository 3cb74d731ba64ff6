/** A process that runs the work of keys: it says what it begins, and hangs in a key of that name. */
import { IdempotencyGuard, PostgresIdempotencyStore, SqliteIdempotencyStore } from '@holdfast/jobs';
import { DatabaseSync } from '@photostructure/sqlite';
import { Pool } from 'pg';

/** @type {{ file?: string, postgres?: string, keys: string[], leaseMs: number }} */
const { file, postgres, keys, leaseMs } = JSON.parse(process.argv[2] ?? '');
const pool = file === undefined ? new Pool({ connectionString: postgres, max: 4 }) : undefined;
const store = pool === undefined ? sqliteStore() : new PostgresIdempotencyStore(pool);
const guard = new IdempotencyGuard({ store, leaseMs, maxWaitMs: 20_000 });

function sqliteStore() {
  const db = new DatabaseSync(file ?? '');
  db.exec('PRAGMA busy_timeout = 2000');
  return new SqliteIdempotencyStore(db);
}

await Promise.all(
  keys.map((key) =>
    guard.execute(key, async ({ attempt }) => {
      process.stdout.write(`began ${key} ${attempt}\n`);
      await new Promise((resolve) => setTimeout(resolve, key === 'hang' ? 60_000 : 5));
      return process.pid;
    }),
  ),
);
process.stdout.write('done\n');
await pool?.end();
