/**
 * Two tables, under names of ours, so that a file can be shared with an application's own. A job is ready, delayed, leased or dead;
 * `position` is its place among the ready, or its death among the dead; `due_at` ends its delay or its lease. Depth is counted by
 * triggers, so that it is exact whoever deletes a row, and costs the same at any depth.
 */
import { UnsafeEngineError } from '@holdfast/core';
import type { Database } from './binding.ts';

/** States of a job. */
export const READY = 0;
export const DELAYED = 1;
export const LEASED = 2;
export const DEAD = 3;

const VERSION = 1;

// no rowid is ever used twice: together with `claims` it fences the outcome of a delivery
const SCHEMA = `
CREATE TABLE holdfast_schema (version INTEGER NOT NULL) STRICT;
INSERT INTO holdfast_schema VALUES (${VERSION});
CREATE TABLE holdfast_queues (
  name TEXT PRIMARY KEY,
  depth INTEGER NOT NULL DEFAULT 0,
  paused INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE holdfast_jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL,
  id TEXT NOT NULL,
  state INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  position INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  starts INTEGER NOT NULL DEFAULT 0,
  claims INTEGER NOT NULL DEFAULT 0,
  max_retries INTEGER NOT NULL,
  delay_ms INTEGER NOT NULL,
  enqueued_at INTEGER NOT NULL,
  died_at INTEGER,
  error_name TEXT,
  error_message TEXT,
  headers TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX holdfast_jobs_present ON holdfast_jobs (queue, id) WHERE state < ${DEAD};
CREATE UNIQUE INDEX holdfast_jobs_buried ON holdfast_jobs (queue, id) WHERE state = ${DEAD};
CREATE INDEX holdfast_jobs_ready ON holdfast_jobs (queue, priority, position) WHERE state = ${READY};
CREATE INDEX holdfast_jobs_delayed ON holdfast_jobs (queue, due_at) WHERE state = ${DELAYED};
CREATE INDEX holdfast_jobs_leased ON holdfast_jobs (queue, due_at) WHERE state = ${LEASED};
CREATE INDEX holdfast_jobs_dead ON holdfast_jobs (queue, position) WHERE state = ${DEAD};
CREATE TRIGGER holdfast_job_added AFTER INSERT ON holdfast_jobs WHEN NEW.state < ${DEAD} BEGIN
  UPDATE holdfast_queues SET depth = depth + 1 WHERE name = NEW.queue;
END;
CREATE TRIGGER holdfast_job_removed AFTER DELETE ON holdfast_jobs WHEN OLD.state < ${DEAD} BEGIN
  UPDATE holdfast_queues SET depth = depth - 1 WHERE name = OLD.queue;
END;
CREATE TRIGGER holdfast_job_died AFTER UPDATE OF state ON holdfast_jobs
WHEN OLD.state < ${DEAD} AND NEW.state = ${DEAD} BEGIN
  UPDATE holdfast_queues SET depth = depth - 1 WHERE name = NEW.queue;
END;
`;

/**
 * Makes the tables where they are missing.
 *
 * @throws UnsafeEngineError where a newer version has made them, or the file cannot have a write-ahead log.
 */
export function prepareSchema(db: Database, synchronous: 'normal' | 'full'): void {
  // before all else: what follows locks, and would fail at once or hang where another process does the same
  db.exec('PRAGMA busy_timeout = 100');
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
  if (mode !== 'wal')
    throw new UnsafeEngineError(
      `The file system allows no write-ahead log (journal_mode is ${String(mode)})`,
    );
  db.exec(`PRAGMA synchronous = ${synchronous === 'full' ? 'FULL' : 'NORMAL'}`);
  db.exec('BEGIN IMMEDIATE');
  try {
    const known = db
      .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'holdfast_schema'")
      .get();
    if (known === undefined) db.exec(SCHEMA);
    const version = db.prepare('SELECT version FROM holdfast_schema').get()?.['version'];
    if (version !== VERSION)
      throw new UnsafeEngineError(
        `The file has job tables of version ${String(version)}; this package knows ${VERSION}`,
      );
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
  // from here on whoever finds the file locked waits without blocking the process
  db.exec('PRAGMA busy_timeout = 0');
}
