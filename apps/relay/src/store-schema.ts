/** The tables of the store. Counts are kept by triggers, so that they cost the same however many events there are. */
import type { DatabaseSyncInstance as Database } from '@photostructure/sqlite';

const schema = `
  PRAGMA busy_timeout = 10000;
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
  CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT;
  INSERT INTO identity SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM identity);
`;

/** Columns that came later than their table. */
const added = [
  // which admission of the event this is: an id that was refused and forgotten may be admitted again
  "admission TEXT NOT NULL DEFAULT ''",
  // a repeat was accepted as well, so that a refusal of the first must not remove the event
  'repeated INTEGER NOT NULL DEFAULT 0',
];

/** Makes what is missing, and returns the name that this store alone has. */
export function prepareSchema(database: Database): string {
  database.exec(schema);
  for (const column of added) {
    const [name = ''] = column.split(' ');
    const known = database.prepare("SELECT 1 FROM pragma_table_info('events') WHERE name = ?").get(name);
    if (known === undefined) database.exec(`ALTER TABLE events ADD COLUMN ${column}`);
  }
  return String(Object.values(database.prepare('SELECT id FROM identity').get() ?? {})[0]);
}
