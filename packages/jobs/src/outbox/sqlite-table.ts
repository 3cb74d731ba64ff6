/** Outbox rows in SQLite. A forwarder holds rows under a lease, by the host's clock; the lease of one that died runs out. */
import { transact, type Row, type SqliteDatabase } from '../sqlite/sqlite-database.ts';
import { rowOf, type NewRow, type OutboxRow } from './outbox-row.ts';
import type { HeldRows, OutboxCounts, OutboxTable, RefusedRow } from './outbox-table.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS holdfast_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  outbox TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  headers TEXT NOT NULL DEFAULT '{}',
  delay_ms INTEGER NOT NULL DEFAULT 0,
  priority TEXT NOT NULL DEFAULT 'normal',
  max_retries INTEGER,
  created_at INTEGER NOT NULL,
  held_until INTEGER NOT NULL DEFAULT 0,
  error_name TEXT,
  error_message TEXT,
  UNIQUE (outbox, id)
) STRICT;
CREATE INDEX IF NOT EXISTS holdfast_outbox_waiting ON holdfast_outbox (outbox, seq) WHERE error_name IS NULL;
CREATE INDEX IF NOT EXISTS holdfast_outbox_aside ON holdfast_outbox (outbox, seq) WHERE error_name IS NOT NULL;
`;

const INSERT = `INSERT INTO holdfast_outbox
  (outbox, id, body, headers, delay_ms, priority, max_retries, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING`;
const LOOK =
  'SELECT 1 FROM holdfast_outbox WHERE outbox = ? AND error_name IS NULL AND held_until <= ? LIMIT 1';
const TAKE = `SELECT * FROM holdfast_outbox WHERE outbox = ? AND error_name IS NULL AND held_until <= ?
  ORDER BY seq LIMIT ?`;
const HOLD = 'UPDATE holdfast_outbox SET held_until = ? WHERE seq = ?';
const REMOVE = 'DELETE FROM holdfast_outbox WHERE seq = ?';
const GIVE_BACK = 'UPDATE holdfast_outbox SET held_until = 0 WHERE seq = ? AND held_until = ?';
const SET_ASIDE =
  'UPDATE holdfast_outbox SET held_until = 0, error_name = ?, error_message = ? WHERE seq = ?';
const RESTORE = `UPDATE holdfast_outbox SET error_name = NULL, error_message = NULL
  WHERE outbox = ? AND error_name IS NOT NULL`;
const COUNTS = `SELECT
  (SELECT count(*) FROM holdfast_outbox WHERE outbox = ? AND error_name IS NULL) AS depth,
  (SELECT count(*) FROM holdfast_outbox WHERE outbox = ? AND error_name IS NOT NULL) AS aside,
  (SELECT created_at FROM holdfast_outbox WHERE outbox = ? AND error_name IS NULL ORDER BY seq LIMIT 1) AS oldest`;

/** Makes the table where it is missing. */
export function migrateSqlite(db: SqliteDatabase): void {
  db.exec(SCHEMA);
}

/** Writes rows in whatever transaction is open; gives the ids of those that were not there. */
export function insertSqlite(db: SqliteDatabase, outbox: string, rows: readonly NewRow[]): readonly string[] {
  const insert = db.prepare(INSERT);
  const added = rows.filter(({ id, body, headers, delayMs, priority, maxRetries }) => {
    const { changes } = insert.run(outbox, id, body, headers, delayMs, priority, maxRetries, Date.now());
    return Number(changes) === 1;
  });
  return added.map(({ id }) => id);
}

/** Puts rows that were set aside in line again. */
export function restoreSqlite(db: SqliteDatabase, outbox: string): Promise<number> {
  return transact(db, () => Number(db.prepare(RESTORE).run(outbox).changes));
}

/** The rows of one outbox in SQLite. */
export class SqliteTable implements OutboxTable {
  readonly #db: SqliteDatabase;
  readonly #outbox: string;
  readonly #leaseMs: number;

  constructor(db: SqliteDatabase, outbox: string, leaseMs: number) {
    this.#db = db;
    this.#outbox = outbox;
    this.#leaseMs = leaseMs;
  }

  async take(limit: number): Promise<HeldRows | undefined> {
    // looking takes no lock; what it sees of an open transaction is settled by the transaction below
    if (this.#db.prepare(LOOK).get(this.#outbox, Date.now()) === undefined) return undefined;
    const taken = await transact(this.#db, () => {
      const at = Date.now();
      const until = at + this.#leaseMs;
      const rows = this.#db.prepare(TAKE).all(this.#outbox, at, limit);
      const hold = this.#db.prepare(HOLD);
      const held = (rows as Row[]).map((row) => rowOf(row, at - Number(row['created_at'])));
      for (const { seq } of held) hold.run(until, Number(seq));
      return { rows: held, until };
    });
    if (taken.rows.length === 0) return undefined;
    return {
      rows: taken.rows,
      settle: (forwarded, refused) => this.#settle(taken.rows, taken.until, forwarded, refused),
    };
  }

  async counts(): Promise<OutboxCounts> {
    const outbox = this.#outbox;
    const { depth, aside, oldest } = this.#db.prepare(COUNTS).get(outbox, outbox, outbox) as Row;
    return {
      depth: Number(depth),
      setAside: Number(aside),
      // a connection may read whole numbers as bigint
      oldestAgeMs: oldest === null ? 0 : Math.max(0, Date.now() - Number(oldest)),
    };
  }

  async #settle(
    rows: readonly OutboxRow[],
    until: number,
    forwarded: readonly OutboxRow[],
    refused: readonly RefusedRow[],
  ): Promise<void> {
    const settled = new Set([...forwarded, ...refused.map(({ row }) => row)]);
    await transact(this.#db, () => {
      const remove = this.#db.prepare(REMOVE);
      const giveBack = this.#db.prepare(GIVE_BACK);
      const setAside = this.#db.prepare(SET_ASIDE);
      // the queue has it: whoever holds the row by now need not hand it over again
      for (const { seq } of forwarded) remove.run(Number(seq));
      for (const { row, error } of refused) setAside.run(error.name, error.message, Number(row.seq));
      for (const row of rows) if (!settled.has(row)) giveBack.run(Number(row.seq), until);
    });
  }
}
