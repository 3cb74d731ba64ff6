/** Connections of one test file, as an application makes them. */
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll } from 'vitest';

export type Connection = InstanceType<typeof DatabaseSync>;

/** Returns a function that connects; all connections are closed at the end of the file. */
export function connections(): (file: string) => Connection {
  const open: Connection[] = [];
  afterAll(() => {
    for (const db of open) if (db.isOpen) db.close();
  });
  return (file) => {
    const db = new DatabaseSync(file);
    db.exec('PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    open.push(db);
    return db;
  };
}
