/**
 * Outbox rows in PostgreSQL. A forwarder holds rows by locking them in a transaction that lasts as long as the handing over: when its
 * connection is gone the server gives them back at once, and when it idles for longer than the lease, too.
 */
import {
  borrow,
  migratePostgres,
  type PostgresConnection,
  type PostgresPool,
  type PostgresQueryable,
  type PostgresResult,
} from '../postgres/postgres-client.ts';
import type { NewRow, OutboxRow } from './outbox-row.ts';
import type { HeldRows, OutboxCounts, OutboxTable, RefusedRow } from './outbox-table.ts';
import { PostgresListener } from './postgres-listener.ts';

/** Where rows are announced; the payload is the name of the outbox. */
const CHANNEL = 'holdfast_outbox';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS holdfast_outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  outbox text NOT NULL,
  id text NOT NULL,
  body text NOT NULL,
  headers text NOT NULL DEFAULT '{}',
  delay_ms bigint NOT NULL DEFAULT 0,
  priority text NOT NULL DEFAULT 'normal',
  max_retries integer,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  error_name text,
  error_message text,
  UNIQUE (outbox, id)
);
CREATE INDEX IF NOT EXISTS holdfast_outbox_waiting ON holdfast_outbox (outbox, seq) WHERE error_name IS NULL;
CREATE INDEX IF NOT EXISTS holdfast_outbox_aside ON holdfast_outbox (outbox, seq) WHERE error_name IS NOT NULL;
`;

const INSERT = `
WITH added AS (
  INSERT INTO holdfast_outbox (outbox, id, body, headers, delay_ms, priority, max_retries)
  SELECT $1, id, body, headers, delay_ms, priority, max_retries
  FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::integer[]) WITH ORDINALITY
    AS job (id, body, headers, delay_ms, priority, max_retries, place)
  ORDER BY place ON CONFLICT DO NOTHING RETURNING id
)
SELECT id, pg_notify('${CHANNEL}', $1) FROM added`;

const TAKE = `
SELECT seq::text, id, body, headers, delay_ms::float8, priority, max_retries,
  extract(epoch FROM clock_timestamp() - created_at)::float8 * 1000 AS age_ms
FROM holdfast_outbox WHERE outbox = $1 AND error_name IS NULL ORDER BY holdfast_outbox.seq LIMIT $2
FOR UPDATE SKIP LOCKED`;

const REMOVE = 'DELETE FROM holdfast_outbox WHERE seq = ANY($1::bigint[])';
const SET_ASIDE = 'UPDATE holdfast_outbox SET error_name = $2, error_message = $3 WHERE seq = $1::bigint';
const RESTORE = `UPDATE holdfast_outbox SET error_name = NULL, error_message = NULL
WHERE outbox = $1 AND error_name IS NOT NULL`;

const COUNTS = `SELECT
  (SELECT count(*)::float8 FROM holdfast_outbox WHERE outbox = $1 AND error_name IS NULL) AS depth,
  (SELECT count(*)::float8 FROM holdfast_outbox WHERE outbox = $1 AND error_name IS NOT NULL) AS aside,
  (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 * 1000 FROM holdfast_outbox
    WHERE outbox = $1 AND error_name IS NULL ORDER BY seq LIMIT 1) AS age_ms`;

/** Makes the table where it is missing. */
export function migrateOutbox(db: PostgresQueryable): Promise<void> {
  return migratePostgres(db, SCHEMA);
}

/** Writes rows in the transaction that `tx` has open; gives the ids of those that were not there. */
export async function insertPostgres(
  tx: PostgresQueryable,
  outbox: string,
  rows: readonly NewRow[],
): Promise<readonly string[]> {
  if (rows.length === 0) return [];
  const column = <K extends keyof NewRow>(key: K): NewRow[K][] => rows.map((row) => row[key]);
  const added = await tx.query(INSERT, [
    outbox,
    column('id'),
    column('body'),
    column('headers'),
    column('delayMs'),
    column('priority'),
    column('maxRetries'),
  ]);
  return added.rows.map(({ id }) => String(id));
}

/** Puts rows that were set aside in line again. */
export async function restorePostgres(db: PostgresQueryable, outbox: string): Promise<number> {
  const { rowCount } = await db.query(RESTORE, [outbox]);
  return rowCount ?? 0;
}

/** The rows of one outbox in PostgreSQL. */
export class PostgresTable implements OutboxTable {
  readonly #pool: PostgresPool;
  readonly #outbox: string;
  readonly #leaseMs: number;

  constructor(pool: PostgresPool, outbox: string, leaseMs: number) {
    this.#pool = pool;
    this.#outbox = outbox;
    this.#leaseMs = leaseMs;
  }

  async take(limit: number): Promise<HeldRows | undefined> {
    const transaction = new Transaction(await borrow(this.#pool, ignore));
    try {
      await transaction.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${this.#leaseMs}`);
      const { rows } = await transaction.query(TAKE, [this.#outbox, limit]);
      if (rows.length > 0)
        return {
          rows: rows.map(rowOf),
          settle: (forwarded, refused) => settle(transaction, forwarded, refused),
        };
      await transaction.end('ROLLBACK');
      return undefined;
    } catch (error) {
      await transaction.abandon();
      throw error;
    }
  }

  async counts(): Promise<OutboxCounts> {
    const { rows } = await this.#pool.query(COUNTS, [this.#outbox]);
    const { depth, aside, age_ms: age } = rows[0] ?? {};
    return { depth: Number(depth), setAside: Number(aside), oldestAgeMs: Math.max(0, Number(age ?? 0)) };
  }

  async watch(wake: () => void): Promise<AsyncDisposable> {
    const outbox = this.#outbox;
    const listener = new PostgresListener(this.#pool, CHANNEL, (payload) => {
      if (payload === undefined || payload === outbox) wake();
    });
    listener.start();
    return listener;
  }
}

async function settle(
  transaction: Transaction,
  forwarded: readonly OutboxRow[],
  refused: readonly RefusedRow[],
): Promise<void> {
  try {
    if (forwarded.length > 0) await transaction.query(REMOVE, [forwarded.map(({ seq }) => seq)]);
    for (const { row, error } of refused)
      await transaction.query(SET_ASIDE, [row.seq, error.name, error.message.replaceAll('\0', '\uFFFD')]);
    await transaction.end(forwarded.length + refused.length > 0 ? 'COMMIT' : 'ROLLBACK');
  } catch (error) {
    await transaction.abandon();
    throw error;
  }
}

/** For a connection that breaks: its next query says so, too. */
function ignore(): void {}

/** A transaction on a connection that was borrowed with `ignore` on it. */
class Transaction {
  readonly #connection: PostgresConnection;

  constructor(connection: PostgresConnection) {
    this.#connection = connection;
  }

  query(text: string, values?: unknown[]): Promise<PostgresResult> {
    return this.#connection.query(text, values);
  }

  async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    await this.#connection.query(how);
    this.#release(false);
  }

  /** Ends it whatever state it is in. */
  async abandon(): Promise<void> {
    try {
      await this.#connection.query('ROLLBACK');
      this.#release(false);
    } catch {
      this.#release(true);
    }
  }

  #release(destroy: boolean): void {
    this.#connection.removeListener('error', ignore);
    this.#connection.release(destroy);
  }
}

function rowOf(row: Readonly<Record<string, unknown>>): OutboxRow {
  const maxRetries = row['max_retries'];
  return {
    seq: String(row['seq']),
    id: String(row['id']),
    body: String(row['body']),
    headers: String(row['headers']),
    delayMs: Number(row['delay_ms']),
    priority: String(row['priority']),
    maxRetries: maxRetries === null ? null : Number(maxRetries),
    ageMs: Math.max(0, Number(row['age_ms'])),
  };
}
