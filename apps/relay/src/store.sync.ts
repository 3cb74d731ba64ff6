/**
 * The store: every event with its status, and the audit trail, in one SQLite file that only this module touches. Synchronous
 * on purpose; it runs in a bridge of one thread. A batch of operations is one transaction, in order, committed to disk before
 * it returns. Trap: the lock file is what keeps a second relay out of the directory, so that no event is sent by two.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync as DatabaseClass, DatabaseSyncInstance as Database } from '@photostructure/sqlite';
import type { PostedEvent } from './event.ts';

/** `delivering` from an attempt's start to its end; the last two are final. */
export type EventStatus = 'queued' | 'delivering' | 'delivered' | 'failed';

/** An event and what became of it. */
export interface StoredEvent extends PostedEvent {
  readonly status: EventStatus;
  /** Requests begun. */
  readonly attempts: number;
  /** From admission to the first attempt; null before it. */
  readonly queueDelayMs: number | null;
  /** Why the last failed attempt failed. */
  readonly lastError: string | null;
}

/** How many events have which status. */
export type EventCounts = Readonly<Record<EventStatus, number>>;

/** An attempt that may begin: its number, and what to send. */
export interface Attempt {
  readonly attempt: number;
  readonly payload: string;
}

/** An event to be queued again after a start. `position` orders them. */
export interface BacklogEntry {
  readonly position: number;
  readonly id: string;
  readonly url: string;
  readonly acceptedAt: number;
}

/** What a batch may consist of. Times are milliseconds since the epoch. */
export interface StoreOperations {
  /** Stores an event as queued; answers the stored one instead where the id is taken. */
  insert(event: PostedEvent & { readonly at: number }): StoredEvent | undefined;
  /** Forgets an event that was not admitted. */
  remove(id: string): void;
  find(id: string): StoredEvent | undefined;
  /** Counts an attempt and marks the event as delivering; `undefined` where it is settled or unknown. */
  begin(start: { readonly id: string; readonly queueDelayMs: number }): Attempt | undefined;
  /** Ends an attempt; without `lastError` the one before is kept. */
  end(outcome: { readonly id: string; readonly status: EventStatus; readonly lastError?: string }): void;
  /** Writes the trail's one entry for an accepted event. */
  audit(entry: { readonly id: string; readonly at: number }): void;
  counts(): EventCounts;
  /** The next queued events after a position, in the order in which they were accepted. */
  backlog(after: number): readonly BacklogEntry[];
}

/** What a start needs to know to clean up after a dead process. */
export interface Recovery {
  readonly maxAttempts: number;
  /** Why the attempts failed that were under way. */
  readonly lastError: string;
  readonly at: number;
}

/** One operation with its argument. */
export type StoreCall = {
  readonly [K in keyof StoreOperations]: readonly [operation: K, argument: Parameters<StoreOperations[K]>[0]];
}[keyof StoreOperations];

const schema = `
  PRAGMA busy_timeout = 5000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    queueDelayMs INTEGER,
    lastError TEXT,
    acceptedAt INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS unsettled ON events (status) WHERE status IN ('queued', 'delivering');
  CREATE TABLE IF NOT EXISTS audit (id TEXT PRIMARY KEY, acceptedAt INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counts (status TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT OR IGNORE INTO counts VALUES ('queued', 0), ('delivering', 0), ('delivered', 0), ('failed', 0);
  CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON events BEGIN
    UPDATE counts SET n = n + 1 WHERE status = NEW.status;
  END;
  CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON events BEGIN
    UPDATE counts SET n = n - 1 WHERE status = OLD.status;
  END;
  CREATE TRIGGER IF NOT EXISTS moved AFTER UPDATE OF status ON events BEGIN
    UPDATE counts SET n = n - 1 WHERE status = OLD.status;
    UPDATE counts SET n = n + 1 WHERE status = NEW.status;
  END;
`;

let store: { readonly database: Database; readonly lock: Database } | undefined;
let operations: StoreOperations | undefined;

/** Opens the store in `directory`, which is made where it is missing. Returns what closes it. */
export async function setup({ directory }: { readonly directory: string }): Promise<() => void> {
  const Binding = await loadBinding();
  mkdirSync(directory, { recursive: true });
  const lock = new Binding(join(directory, 'relay.lock'));
  try {
    lock.exec('PRAGMA busy_timeout = 1000; BEGIN EXCLUSIVE');
  } catch (error) {
    throw new Error(`${directory} is in use by another relay`, { cause: error });
  }
  const database = new Binding(join(directory, 'relay.db'));
  database.exec(schema);
  store = { database, lock };
  operations = prepare(database);
  return close;
}

/** Runs a batch of operations in one transaction and answers each; if one throws, none has happened. */
export function commit(calls: readonly StoreCall[]): unknown[] {
  return transaction(() => calls.map(perform));
}

/**
 * What a start does before anything is delivered: attempts that a dead process left open become queued events again, or failed
 * ones where they were the last allowed, and audit entries that it still owed are written. Returns the position of the last
 * event there is.
 */
export function recover({ maxAttempts, lastError, at }: Recovery): number {
  const { database } = opened();
  return transaction(() => {
    database
      .prepare("UPDATE events SET status = 'queued', lastError = ? WHERE status = 'delivering'")
      .run(lastError);
    database
      .prepare("UPDATE events SET status = 'failed' WHERE status = 'queued' AND attempts >= ?")
      .run(maxAttempts);
    database
      .prepare('INSERT INTO audit SELECT id, ? FROM events WHERE id NOT IN (SELECT id FROM audit)')
      .run(at);
    return Number(
      Object.values(database.prepare('SELECT COALESCE(MAX(rowid), 0) FROM events').get() ?? {})[0],
    );
  });
}

/** SQLite of Node where it has one, else the package with the same interface; decided by trying, not by version. */
async function loadBinding(): Promise<typeof DatabaseClass> {
  const builtIn: string = 'node:sqlite';
  const emitWarning = process.emitWarning.bind(process);
  // Node's own SQLite prints that it is experimental; whoever runs a relay did not choose it and cannot change it
  process.emitWarning = (...warning: unknown[]): void => {
    if (!String(warning[0]).startsWith('SQLite')) Reflect.apply(emitWarning, process, warning);
  };
  try {
    const { DatabaseSync } = (await import(builtIn)) as { readonly DatabaseSync: typeof DatabaseClass };
    return DatabaseSync;
  } catch {
    const { DatabaseSync } = await import('@photostructure/sqlite');
    return DatabaseSync;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Closes the files; nothing may follow. */
function close(): void {
  if (store === undefined) return;
  store.database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  store.database.close();
  store.lock.close();
  store = operations = undefined;
}

function opened(): { readonly database: Database } {
  if (store === undefined) throw new Error('the store is closed');
  return store;
}

function transaction<T>(work: () => T): T {
  const { database } = opened();
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // SQLite has rolled back by itself
  }
}

function perform([operation, argument]: StoreCall): unknown {
  const run = operations?.[operation] as ((argument: StoreCall[1]) => unknown) | undefined; // a pair that fits, by its type
  return run?.(argument);
}

function prepare(database: Database): StoreOperations {
  const columns = 'id, url, payload, status, attempts, queueDelayMs, lastError';
  const insert = database.prepare(
    'INSERT INTO events (id, url, payload, acceptedAt) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const remove = database.prepare('DELETE FROM events WHERE id = ?');
  const find = database.prepare(`SELECT ${columns} FROM events WHERE id = ?`);
  const begin = database.prepare(
    `UPDATE events SET status = 'delivering', attempts = attempts + 1, queueDelayMs = COALESCE(queueDelayMs, ?)
     WHERE id = ? AND status IN ('queued', 'delivering') RETURNING attempts AS attempt, payload`,
  );
  const end = database.prepare(
    'UPDATE events SET status = ?, lastError = COALESCE(?, lastError) WHERE id = ?',
  );
  const audit = database.prepare('INSERT OR IGNORE INTO audit VALUES (?, ?)');
  const counts = database.prepare('SELECT status, n FROM counts');
  const backlog = database.prepare(
    `SELECT rowid AS position, id, url, acceptedAt FROM events
     WHERE status = 'queued' AND rowid > ? ORDER BY rowid LIMIT 500`,
  );
  // what SQLite answers has the columns that the statement names, of the types that the schema enforces
  const stored = (id: string): StoredEvent | undefined => find.get(id) as StoredEvent | undefined;
  return {
    insert: ({ id, url, payload, at }) =>
      insert.run(id, url, payload, at).changes === 0 ? stored(id) : undefined,
    remove: (id) => void remove.run(id),
    find: stored,
    begin: ({ id, queueDelayMs }) => begin.get(Math.round(queueDelayMs), id) as Attempt | undefined,
    end: ({ id, status, lastError }) => void end.run(status, lastError ?? null, id),
    audit: ({ id, at }) => void audit.run(id, at),
    counts: () => Object.fromEntries(counts.all().map((row) => Object.values(row))),
    backlog: (after) => backlog.all(after),
  };
}
