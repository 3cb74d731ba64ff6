/**
 * Outbox rows in PostgreSQL. A forwarder holds rows by locking them in a transaction that lasts as long as the handing over: when its
 * connection is gone the server gives them back at once, and when it idles for longer than the lease, too.
 */
import {
  ask,
  borrow,
  migratePostgres,
  type PostgresConnection,
  type PostgresPool,
  type PostgresQueryable,
  type PostgresResult,
} from '../postgres/postgres-client.ts';
import { rowOf, type NewRow, type OutboxRow } from './outbox-row.ts';
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
    const loan = await Loan.of(this.#pool, this.#leaseMs);
    try {
      // with other isolation, rows that another forwarder deletes meanwhile would be an error
      await loan.query(
        `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = ${this.#leaseMs}`,
      );
      const { rows } = await loan.query(TAKE, [this.#outbox, limit]);
      if (rows.length > 0)
        return {
          rows: rows.map((row) => rowOf(row, Number(row['age_ms']))),
          settle: (forwarded, refused) => settle(loan, forwarded, refused),
        };
      await loan.query('ROLLBACK');
      loan.giveBack();
      return undefined;
    } catch (error) {
      loan.destroy();
      throw error;
    }
  }

  async counts(): Promise<OutboxCounts> {
    const loan = await Loan.of(this.#pool, this.#leaseMs);
    try {
      const { rows } = await loan.query(COUNTS, [this.#outbox]);
      loan.giveBack();
      const { depth, aside, age_ms: age } = rows[0] ?? {};
      return { depth: Number(depth), setAside: Number(aside), oldestAgeMs: Math.max(0, Number(age ?? 0)) };
    } catch (error) {
      loan.destroy();
      throw error;
    }
  }

  watch(wake: () => void): Disposable {
    const outbox = this.#outbox;
    const listener = new PostgresListener(this.#pool, CHANNEL, this.#leaseMs, (payload) => {
      if (payload === undefined || payload === outbox) wake();
    });
    listener.start();
    return listener;
  }
}

async function settle(
  loan: Loan,
  forwarded: readonly OutboxRow[],
  refused: readonly RefusedRow[],
): Promise<void> {
  try {
    if (forwarded.length > 0) await loan.query(REMOVE, [forwarded.map(({ seq }) => seq)]);
    for (const { row, error } of refused)
      await loan.query(SET_ASIDE, [row.seq, error.name, error.message.replaceAll('\0', '\uFFFD')]);
    await loan.query(forwarded.length + refused.length > 0 ? 'COMMIT' : 'ROLLBACK');
    loan.giveBack();
  } catch (error) {
    loan.destroy();
    throw error;
  }
}

/** For a connection that breaks: its next query says so, too. */
function ignore(): void {}

/** A borrowed connection. The server has `timeoutMs` for each answer; what is left without one is destroyed, and so rolled back. */
class Loan {
  readonly #connection: PostgresConnection;
  readonly #timeoutMs: number;

  private constructor(connection: PostgresConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  static async of(pool: PostgresPool, timeoutMs: number): Promise<Loan> {
    return new Loan(await borrow(pool, ignore, timeoutMs), timeoutMs);
  }

  query(text: string, values?: unknown[]): Promise<PostgresResult> {
    return ask(this.#connection, this.#timeoutMs, text, values);
  }

  giveBack(): void {
    this.#connection.removeListener('error', ignore);
    this.#connection.release();
  }

  /** Whatever state it is in; it may complain once more. */
  destroy(): void {
    this.#connection.release(true);
  }
}
