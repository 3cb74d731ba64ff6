/**
 * Who may use the directory of a store: one relay alone, whose queue is in its memory, or any number that share a queue. Whoever
 * finds nobody there has the directory for itself until it lets others in, so that it can clean up after dead processes first. The
 * locks are those of SQLite's own file, so they end with their process.
 */
import { join } from 'node:path';
import type { DatabaseSync as DatabaseClass, DatabaseSyncInstance as Database } from '@photostructure/sqlite';

/** How long to wait for one who is leaving, and for one who is cleaning up, in milliseconds. */
const LEAVING_MS = 1_000;
const CLEANING_MS = 5_000;

/** The lock of one directory, held until it is closed. */
export class StoreLock {
  readonly #database: Database;
  #alone: boolean;

  /** @throws Error where somebody is there who cannot be there too, or where there can be no lock. */
  constructor(Binding: typeof DatabaseClass, directory: string, shared: boolean) {
    this.#database = new Binding(join(directory, 'relay.lock'));
    this.#alone = this.#lock(`PRAGMA busy_timeout = ${shared ? 0 : LEAVING_MS}; BEGIN EXCLUSIVE`);
    if (this.#alone || (shared && this.#share())) return;
    this.#database.close();
    throw new Error(`${directory} is in use by another relay`);
  }

  /** Whether nobody else is there, and nobody can come. */
  get alone(): boolean {
    return this.#alone;
  }

  /** Lets others in. */
  share(): void {
    if (!this.#alone) return;
    this.#database.exec('COMMIT');
    this.#alone = false;
    if (!this.#share()) throw new Error('the directory of the store was taken by another relay');
  }

  close(): void {
    this.#database.close();
  }

  /** A read transaction that is left open keeps the file from everybody who wants it alone. */
  #share(): boolean {
    return this.#lock(`PRAGMA busy_timeout = ${CLEANING_MS}; BEGIN; SELECT count(*) FROM sqlite_schema`);
  }

  #lock(sql: string): boolean {
    try {
      this.#database.exec(sql);
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      this.#database.close();
      throw error; // nobody is there, and the file is no use
    }
  }
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  const { errcode } = Object(error) as { readonly errcode?: number };
  return errcode !== undefined && (errcode & 0xff) === SQLITE_BUSY; // above that byte it says how it came about
}
