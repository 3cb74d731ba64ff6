/**
 * A connection to SQLite of the caller's, known by its shape: `node:sqlite`, `@photostructure/sqlite` and whatever copies them. It
 * may be the application's own, so everything here runs in a transaction of its own, which cannot begin while the application has
 * one open: what is not committed is never seen, and what is written here is never rolled back by others.
 */
import { EngineUnavailableError, sleep } from '@holdfast/core';
import { invalidType, now } from '@holdfast/core/internal';

/** What can be bound to a parameter. */
export type SqliteValue = string | number | null;

/** A prepared statement. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint };
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

/** A connection: a `DatabaseSync`. */
export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
}

/** One row, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** Longest wait for the lock, in milliseconds. */
const MAX_WAIT_MS = 10_000;
const MAX_PAUSE_MS = 50;

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;

/** Checks the shape. */
export function checkSqlite(option: string, db: unknown): void {
  const { exec, prepare } = Object(db) as Partial<SqliteDatabase>;
  if (typeof exec !== 'function' || typeof prepare !== 'function')
    throw invalidType(option, 'a connection to SQLite, with exec and prepare', db);
}

/**
 * Runs `work`, which must be synchronous and without effects elsewhere, in a transaction of its own. Where somebody else writes, or a
 * transaction is open on this connection, it waits without blocking the process.
 *
 * @throws EngineUnavailableError (as a rejection) when that takes too long, else what `work` throws, with nothing changed.
 */
export async function transact<T>(db: SqliteDatabase, work: () => T): Promise<T> {
  const until = now() + MAX_WAIT_MS;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const outcome = attempt(db, work);
    if ('result' in outcome) return outcome.result;
    if (now() > until) throw new EngineUnavailableError('SQLite stayed locked', outcome.error);
    await sleep(pauseMs * (0.5 + Math.random()));
  }
}

/** The result, or why it cannot be had now where waiting helps. */
function attempt<T>(db: SqliteDatabase, work: () => T): { readonly result: T } | { readonly error: unknown } {
  try {
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    // the statement is right, so that a plain error can only mean that a transaction is open on this connection
    const code = primaryCode(error);
    if (code !== SQLITE_BUSY && code !== SQLITE_ERROR) throw error;
    return { error };
  }
  try {
    const result = work();
    db.exec('COMMIT');
    return { result };
  } catch (error) {
    rollback(db);
    // without a write-ahead log a reader can hold up a commit
    if (primaryCode(error) !== SQLITE_BUSY) throw error;
    return { error };
  }
}

/** Some errors have rolled back already. */
function rollback(db: SqliteDatabase): void {
  try {
    db.exec('ROLLBACK');
  } catch {
    // there is no transaction any more
  }
}

function primaryCode(error: unknown): number | undefined {
  const code: unknown = Reflect.get(Object(error), 'errcode');
  // the upper bits tell kinds of one error apart
  return typeof code === 'number' ? code & 0xff : undefined;
}
