/**
 * An outbox in PostgreSQL: jobs that are enqueued in the caller's own transaction, and reach their queue once it is committed. They
 * arrive at least once, with the row's id as the job's id.
 */
import type { EnqueueResult, JobInput, JobOptions, JobQueue } from '@holdfast/core';
import {
  checkBoolean,
  checkInteger,
  checkName,
  checkOptions,
  invalidType,
  outOfRange,
} from '@holdfast/core/internal';
import {
  checkPool,
  checkQueryable,
  isPool,
  type PostgresPool,
  type PostgresQueryable,
} from '../postgres/postgres-client.ts';
import { forwardSettings, type ForwardOptions } from './forward-options.ts';
import { startForwarder, type OutboxForwarder } from './forwarder.ts';
import { resultsOf, toRow, toRows } from './outbox-row.ts';
import { PostgresTable, insertPostgres, migrateOutbox, restorePostgres } from './postgres-table.ts';
import type { OutboxOptions } from './sqlite-outbox.ts';

/** How rows in PostgreSQL are forwarded. */
export interface PostgresForwardOptions extends ForwardOptions {
  /** The pool to read with. It lends one connection while rows are handed over, and one for good where `listen` is on. */
  readonly db: PostgresPool;
  /** Whether to wait for NOTIFY beside looking from time to time. @default true */
  readonly listen?: boolean | undefined;
}

/**
 * An outbox in PostgreSQL.
 *
 * @example
 * const outbox = new PostgresOutbox<Mail>({ name: 'mails' });
 * await client.query('BEGIN');
 * await client.query('INSERT INTO users (email) VALUES ($1)', [email]);
 * await outbox.enqueue(client, { to: email }, { id: `welcome-${email}` });
 * await client.query('COMMIT');
 */
export class PostgresOutbox<T> {
  readonly name: string;
  readonly #maxPayloadBytes: number;

  /** @throws TypeError, RangeError */
  constructor(options: OutboxOptions) {
    checkOptions('options', options, ['name', 'maxPayloadBytes']);
    const { name, maxPayloadBytes = 1_048_576 } = options;
    this.name = checkName('name', name);
    this.#maxPayloadBytes = checkInteger('maxPayloadBytes', maxPayloadBytes, 1, true);
  }

  /** Makes the table where it is missing. */
  async migrate(db: PostgresQueryable): Promise<void> {
    checkQueryable('db', db);
    await migrateOutbox(db);
  }

  /**
   * Writes the job into the transaction that is open on `tx`; a `duplicate` is one whose id is in the outbox already.
   *
   * @throws TypeError, RangeError, PayloadInvalidError, PayloadTooLargeError, and what PostgreSQL answers (as rejections)
   */
  async enqueue(tx: PostgresQueryable, payload: T, options: JobOptions = {}): Promise<EnqueueResult> {
    const row = toRow(payload, options, this.#maxPayloadBytes);
    const added = await insertPostgres(checkTransaction(tx), this.name, [row]);
    return { status: added.length === 1 ? 'enqueued' : 'duplicate', id: row.id };
  }

  /**
   * Writes several jobs, in their order and by one statement; results are in the order of `jobs`.
   *
   * @throws what `enqueue` throws
   */
  async enqueueMany(tx: PostgresQueryable, jobs: readonly JobInput<T>[]): Promise<readonly EnqueueResult[]> {
    const rows = toRows(jobs, this.#maxPayloadBytes);
    return resultsOf(rows, await insertPostgres(checkTransaction(tx), this.name, rows));
  }

  /**
   * Starts to hand committed rows to `queue`, and returns the component that does it, to be owned by the service.
   *
   * @throws TypeError, RangeError
   */
  forward(queue: JobQueue<T>, options: PostgresForwardOptions): OutboxForwarder {
    const settings = forwardSettings(queue, options, this.name, 1_000, ['listen']);
    const { db, listen = true } = options;
    checkBoolean('listen', listen);
    const pool = checkPool('db', db);
    const max: unknown = Reflect.get(Object(Reflect.get(pool, 'options')), 'max');
    // the one that listens would be the only one
    if (listen && max === 1)
      throw outOfRange('db', 'a pool of 2 connections at least, or listen: false', max);
    const table = new PostgresTable(pool, this.name, settings.leaseMs);
    return startForwarder(queue, table, { ...settings, watch: listen }, () => {});
  }

  /** Puts rows in line again that were set aside because the queue could not take them; says how many. */
  async restore(db: PostgresQueryable): Promise<number> {
    checkQueryable('db', db);
    return restorePostgres(db, this.name);
  }
}

/** A pool would take any connection, and commit by itself. */
function checkTransaction(tx: PostgresQueryable): PostgresQueryable {
  checkQueryable('tx', tx);
  if (isPool(tx)) throw invalidType('tx', 'the client whose transaction the job belongs to, not a pool', tx);
  return tx;
}
