/**
 * An outbox in SQLite: jobs that are enqueued in the caller's own transaction, and reach their queue once it is committed. They
 * arrive at least once, with the row's id as the job's id.
 */
import type { EnqueueResult, JobInput, JobOptions, JobQueue } from '@holdfast/core';
import { checkInteger, checkName, checkOptions } from '@holdfast/core/internal';
import { checkSqlite, transact, type SqliteDatabase } from '../sqlite/sqlite-database.ts';
import { forwardSettings, type ForwardOptions } from './forward-options.ts';
import { startForwarder, type OutboxForwarder } from './forwarder.ts';
import { resultsOf, toRow, toRows } from './outbox-row.ts';
import { SqliteTable, insertSqlite, migrateSqlite, restoreSqlite } from './sqlite-table.ts';

/** How an outbox is made. */
export interface OutboxOptions {
  /** Keeps the rows of several outboxes in one table apart. */
  readonly name: string;
  /** Largest encoded payload, in bytes. @default 1_048_576 */
  readonly maxPayloadBytes?: number | undefined;
}

/** How rows in SQLite are forwarded. */
export interface SqliteForwardOptions extends ForwardOptions {
  /** The connection to read with: the application's own, or one for this alone. */
  readonly db: SqliteDatabase;
}

/**
 * An outbox in SQLite.
 *
 * @example
 * const outbox = new SqliteOutbox<Mail>({ name: 'mails' });
 * db.exec('BEGIN IMMEDIATE');
 * db.prepare('INSERT INTO users (email) VALUES (?)').run(email);
 * outbox.enqueue(db, { to: email }, { id: `welcome-${email}` });
 * db.exec('COMMIT');
 */
export class SqliteOutbox<T> {
  readonly name: string;
  readonly #maxPayloadBytes: number;
  readonly #forwarders: Set<OutboxForwarder> = new Set<OutboxForwarder>();

  #waking = false;

  /** @throws TypeError, RangeError */
  constructor(options: OutboxOptions) {
    checkOptions('options', options, ['name', 'maxPayloadBytes']);
    const { name, maxPayloadBytes = 1_048_576 } = options;
    this.name = checkName('name', name);
    this.#maxPayloadBytes = checkInteger('maxPayloadBytes', maxPayloadBytes, 1, true);
  }

  /** Makes the table where it is missing. */
  async migrate(db: SqliteDatabase): Promise<void> {
    checkSqlite('db', db);
    await transact(db, () => migrateSqlite(db));
  }

  /**
   * Writes the job into the transaction that is open on `db`; a `duplicate` is one whose id is in the outbox already.
   *
   * @throws TypeError, RangeError, PayloadInvalidError, PayloadTooLargeError, and what SQLite throws
   */
  enqueue(db: SqliteDatabase, payload: T, options: JobOptions = {}): EnqueueResult {
    checkSqlite('db', db);
    const row = toRow(payload, options, this.#maxPayloadBytes);
    const added = insertSqlite(db, this.name, [row]);
    this.#wakeSoon();
    return { status: added.length === 1 ? 'enqueued' : 'duplicate', id: row.id };
  }

  /**
   * Writes several jobs, in their order; results are in the order of `jobs`.
   *
   * @throws what `enqueue` throws
   */
  enqueueMany(db: SqliteDatabase, jobs: readonly JobInput<T>[]): readonly EnqueueResult[] {
    checkSqlite('db', db);
    const rows = toRows(jobs, this.#maxPayloadBytes);
    const added = insertSqlite(db, this.name, rows);
    this.#wakeSoon();
    return resultsOf(rows, added);
  }

  /**
   * Starts to hand committed rows to `queue`, and returns the component that does it, to be owned by the service.
   *
   * @throws TypeError, RangeError
   */
  forward(queue: JobQueue<T>, options: SqliteForwardOptions): OutboxForwarder {
    const settings = forwardSettings(queue, options, this.name, 100);
    checkSqlite('db', options.db);
    const table = new SqliteTable(options.db, this.name, settings.leaseMs);
    const forwarder: OutboxForwarder = startForwarder(queue, table, settings, () =>
      this.#forwarders.delete(forwarder),
    );
    this.#forwarders.add(forwarder);
    return forwarder;
  }

  /** What is written now is committed by then, most likely; if not, it is found by looking. */
  #wakeSoon(): void {
    if (this.#waking || this.#forwarders.size === 0) return;
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      for (const forwarder of this.#forwarders) forwarder.wake();
    });
  }

  /** Puts rows in line again that were set aside because the queue could not take them; says how many. */
  async restore(db: SqliteDatabase): Promise<number> {
    checkSqlite('db', db);
    return restoreSqlite(db, this.name);
  }
}
