/**
 * The store: every event with its status, and the audit trail, in one SQLite file that only this module touches. Synchronous
 * on purpose; it runs in a bridge of one thread. A batch of operations is one transaction, in order, committed to disk before
 * it returns. Trap: where relays share a queue they share the store, and a job may be in two hands for a while (a lease that was
 * lost), so what an attempt came to counts only while no later one has begun.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync as DatabaseClass, DatabaseSyncInstance as Database } from '@photostructure/sqlite';
import type { PostedEvent } from './event.ts';
import { writes } from './store-calls.ts';
import { StoreLock } from './store-lock.ts';
import { prepareSchema } from './store-schema.ts';

/** `delivering` from an attempt's start to its end; the last two are final. */
export type EventStatus = 'queued' | 'delivering' | 'delivered' | 'failed';

/** Names one admission of an event. A job that was made for an earlier one, which was refused, is nobody's. */
export interface Admission {
  readonly id: string;
  readonly admission: string;
}

/** An event and what became of it. */
export interface StoredEvent extends PostedEvent, Admission {
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

/** What an attempt came to. */
export interface AttemptEnd {
  readonly id: string;
  readonly attempt: number;
  readonly status: Exclude<EventStatus, 'delivering'>;
  readonly lastError?: string;
}

/** An event to be queued again after a start. `position` orders them. */
export interface BacklogEntry extends Admission {
  readonly position: number;
  readonly url: string;
  readonly acceptedAt: number;
}

/** What a batch may consist of. Times are milliseconds since the epoch. */
export interface StoreOperations {
  /** Stores an event as queued; answers the stored one instead where the id is taken. */
  insert(event: PostedEvent & Admission & { readonly at: number }): StoredEvent | undefined;
  /** Forgets an event that was not admitted; false where somebody has begun to deliver it, or accepted a repeat. */
  remove(admission: Admission): boolean;
  /** Keeps an event whose repeat was accepted; false where it was forgotten meanwhile. */
  keep(admission: Admission): boolean;
  find(id: string): StoredEvent | undefined;
  /**
   * Counts an attempt and marks the event as delivering; `undefined` where it is settled or unknown. One whose last attempt ended
   * with its process has failed.
   */
  begin(
    start: Admission & { readonly queueDelayMs: number; readonly limit: AttemptLimit },
  ): Attempt | undefined;
  /** Ends an attempt; false where it no longer counts. Without `lastError` the one before is kept. */
  end(end: AttemptEnd): boolean;
  /** Writes the trail's one entry for an accepted event. */
  audit(entry: { readonly id: string; readonly at: number }): void;
  counts(): EventCounts;
  /** The next unsettled events after a position, in the order in which they were accepted. */
  backlog(after: number): readonly BacklogEntry[];
}

/** How many attempts an event may have, and what is said of one that never ended. */
export interface AttemptLimit {
  readonly maxAttempts: number;
  readonly lastError: string;
}

/** What a start needs to know to clean up after a dead process. */
export interface Recovery {
  /** Why the attempts failed that were under way. */
  readonly lastError: string;
  readonly at: number;
}

/** What a start finds. */
export interface Found {
  /** Name of the store. */
  readonly store: string;
  /** Position of the last event. */
  readonly last: number;
}

/** Where the store is, and whether other relays may use it at the same time. */
export interface StoreSetup {
  readonly directory: string;
  readonly shared: boolean;
}

/** One operation with its argument. */
export type StoreCall = {
  readonly [K in keyof StoreOperations]: readonly [operation: K, argument: Parameters<StoreOperations[K]>[0]];
}[keyof StoreOperations];

interface OpenStore {
  readonly name: string;
  readonly database: Database;
  readonly lock: StoreLock;
  readonly shared: boolean;
}

let store: OpenStore | undefined;
let operations: StoreOperations | undefined;

/** Opens the store in `directory`, which is made where it is missing. Returns what closes it. */
export async function setup({ directory, shared }: StoreSetup): Promise<() => void> {
  const Binding = await loadBinding();
  mkdirSync(directory, { recursive: true });
  const lock = named(directory, () => new StoreLock(Binding, directory, shared));
  const file = join(directory, 'relay.db');
  try {
    const database = named(file, () => new Binding(file));
    store = { name: named(file, () => prepareSchema(database)), database, lock, shared };
    operations = prepare(database);
  } catch (error) {
    lock.close();
    throw error;
  }
  return close;
}

/** Runs a batch of operations in one transaction and answers each; if one throws, none has happened. */
export function commit(calls: readonly StoreCall[]): unknown[] {
  return transaction(() => calls.map(perform), writes(calls) ? 'IMMEDIATE' : 'DEFERRED');
}

/**
 * What a start does before anything is delivered: audit entries that a dead process still owed are written, and, where no other
 * relay is at work, attempts that it left open become queued events again. Then others are let in, where they may.
 */
export function recover({ lastError, at }: Recovery): Found {
  const { name, database, lock, shared } = opened();
  const last = transaction(() => {
    if (lock.alone)
      database
        .prepare("UPDATE events SET status = 'queued', lastError = ? WHERE status = 'delivering'")
        .run(lastError);
    database
      .prepare('INSERT INTO audit SELECT id, ? FROM events WHERE id NOT IN (SELECT id FROM audit)')
      .run(at);
    return Object.values(database.prepare('SELECT COALESCE(MAX(rowid), 0) FROM events').get() ?? {})[0];
  });
  if (shared) lock.share();
  return { store: name, last: Number(last) };
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

/** What `work` returns. SQLite does not say of which file its errors are. */
function named<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && !error.message.startsWith(file))
      error.message = `${file}: ${error.message}`;
    throw error;
  }
}

/** Closes the files; nothing may follow. */
function close(): void {
  if (store === undefined) return;
  store.database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)'); // as far as others let it
  store.database.close();
  store.lock.close();
  store = operations = undefined;
}

function opened(): OpenStore {
  if (store === undefined) throw new Error('the store is closed');
  return store;
}

function transaction<T>(work: () => T, kind: 'IMMEDIATE' | 'DEFERRED' = 'IMMEDIATE'): T {
  const { database } = opened();
  database.exec(`BEGIN ${kind}`);
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
  const columns = 'id, admission, url, payload, status, attempts, queueDelayMs, lastError';
  const insert = database.prepare(
    'INSERT INTO events (id, admission, url, payload, acceptedAt) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const remove = database.prepare(
    'DELETE FROM events WHERE id = ? AND admission = ? AND attempts = 0 AND repeated = 0',
  );
  const unaudit = database.prepare('DELETE FROM audit WHERE id = ?');
  const keep = database.prepare('UPDATE events SET repeated = 1 WHERE id = ? AND admission = ?');
  const find = database.prepare(`SELECT ${columns} FROM events WHERE id = ?`);
  const begin = database.prepare(
    `UPDATE events SET status = 'delivering', attempts = attempts + 1, queueDelayMs = COALESCE(queueDelayMs, ?)
     WHERE id = ? AND admission = ? AND status IN ('queued', 'delivering') AND attempts < ?
     RETURNING attempts AS attempt, payload`,
  );
  const exhaust = database.prepare(
    `UPDATE events SET status = 'failed',
     lastError = CASE status WHEN 'delivering' THEN ?1 ELSE COALESCE(lastError, ?1) END
     WHERE id = ?2 AND admission = ?3 AND status IN ('queued', 'delivering') AND attempts >= ?4`,
  );
  const deliver = database.prepare(
    "UPDATE events SET status = 'delivered' WHERE id = ? AND status IN ('queued', 'delivering')",
  );
  const fail = database.prepare(
    `UPDATE events SET status = ?, lastError = COALESCE(?, lastError)
     WHERE id = ? AND status = 'delivering' AND attempts = ?`,
  );
  const audit = database.prepare('INSERT OR IGNORE INTO audit VALUES (?, ?)');
  const counts = database.prepare('SELECT status, n FROM counts');
  const backlog = database.prepare(
    `SELECT rowid AS position, id, admission, url, acceptedAt FROM events
     WHERE status IN ('queued', 'delivering') AND rowid > ? ORDER BY rowid LIMIT 500`,
  );
  // what SQLite answers has the columns that the statement names, of the types that the schema enforces
  const stored = (id: string): StoredEvent | undefined => find.get(id) as StoredEvent | undefined;
  return {
    insert: ({ id, admission, url, payload, at }) =>
      changed(insert.run(id, admission, url, payload, at)) ? undefined : stored(id),
    remove({ id, admission }) {
      const removed = changed(remove.run(id, admission));
      if (removed) unaudit.run(id); // another relay that started meanwhile may have written it
      return removed;
    },
    keep: ({ id, admission }) => changed(keep.run(id, admission)),
    find: stored,
    begin({ id, admission, queueDelayMs, limit }) {
      const { maxAttempts, lastError } = limit;
      const begun = begin.get(Math.round(queueDelayMs), id, admission, maxAttempts);
      if (begun === undefined) exhaust.run(lastError, id, admission, maxAttempts);
      return begun as Attempt | undefined;
    },
    end: ({ id, attempt, status, lastError }) =>
      changed(status === 'delivered' ? deliver.run(id) : fail.run(status, lastError ?? null, id, attempt)),
    audit: ({ id, at }) => void audit.run(id, at),
    counts: () => Object.fromEntries(counts.all().map((row) => Object.values(row))),
    backlog: (after) => backlog.all(after),
  };
}

function changed({ changes }: { readonly changes: number | bigint }): boolean {
  return Number(changes) > 0;
}
