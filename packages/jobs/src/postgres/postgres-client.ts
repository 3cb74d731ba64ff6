/**
 * PostgreSQL of the caller's, known by its shape: the `Pool` and `Client` of `pg`, and whatever copies them. Nothing is imported,
 * and no connection is made here.
 */
import { TimeoutError } from '@holdfast/core';
import { call, invalidType } from '@holdfast/core/internal';

/** What a query came to. */
export interface PostgresResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number | null;
}

/** Anything that can be asked: a client, or a pool where no transaction is needed. */
export interface PostgresQueryable {
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
}

/** A notification. */
export interface PostgresNotification {
  readonly channel: string;
  readonly payload?: string | undefined;
}

/** One connection, lent by a pool. */
export interface PostgresConnection extends PostgresQueryable {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'notification', listener: (message: PostgresNotification) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'notification', listener: (message: PostgresNotification) => void): unknown;
  /** Gives it back, or ends it where it is broken. */
  release(destroy?: boolean): void;
}

/** A pool of connections. */
export interface PostgresPool extends PostgresQueryable {
  /** How many connections there are. */
  readonly totalCount: number;
  /** Lends one. The form with a callback, since a promise's caller has the connection only after others have had a turn. */
  connect(callback: (error: Error | undefined, connection: PostgresConnection | undefined) => void): unknown;
}

/**
 * Borrows a connection with `onError` on it from the first moment: one that the server ends as soon as it is made says so in an event,
 * perhaps in the same packet, and an event that nobody hears ends the process. One that comes after `timeoutMs` goes back at once.
 *
 * @throws TimeoutError, and what the pool says (as rejections)
 */
export function borrow(
  pool: PostgresPool,
  onError: (error: Error) => void,
  timeoutMs: number,
): Promise<PostgresConnection> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new TimeoutError('A connection to PostgreSQL', 'total', timeoutMs));
    }, timeoutMs);
    pool.connect((error, connection) => {
      clearTimeout(timer);
      if (connection === undefined) return reject(error);
      if (late) return connection.release();
      connection.on('error', onError);
      resolve(connection);
    });
  });
}

/** Asks, and waits no longer than `timeoutMs`: the way to a server may be cut without anybody being told. */
export function ask(
  connection: PostgresConnection,
  timeoutMs: number,
  text: string,
  values?: unknown[],
): Promise<PostgresResult> {
  return call(() => connection.query(text, values), { timeoutMs, name: 'A query to PostgreSQL' });
}

/** Checks that something can be asked. */
export function checkQueryable(option: string, db: unknown): void {
  if (typeof Reflect.get(Object(db), 'query') !== 'function')
    throw invalidType(option, 'a client or pool of PostgreSQL, with query', db);
}

/** Checks that connections can be had. */
export function checkPool(option: string, db: unknown): PostgresPool {
  checkQueryable(option, db);
  if (isPool(db)) return db;
  throw invalidType(option, 'a pool of PostgreSQL, with connect, query and totalCount', db);
}

/** Whether it is a pool: a client that a pool lends has `release`, and one of its own has no count of connections. */
export function isPool(db: unknown): db is PostgresPool {
  const { connect, release, totalCount } = Object(db) as Record<string, unknown>;
  return typeof connect === 'function' && typeof release !== 'function' && typeof totalCount === 'number';
}

/** Runs `ddl` in one transaction, one process after the other: two that create a table at once would fail. */
export async function migratePostgres(db: PostgresQueryable, ddl: string): Promise<void> {
  // several statements without parameters are one transaction, or part of the caller's
  await db.query(`SELECT pg_advisory_xact_lock(${LOCK}); ${ddl}`);
}

/** Any number that nobody else is likely to use: "holdfast" in hexadecimal begins with it. */
const LOCK = 0x686f6c64;
