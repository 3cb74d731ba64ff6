/**
 * Keys in a table of the caller's own SQLite database, so that they survive the process and are shared by those of one host. Leases
 * and expiry go by the host's clock. Give it a connection of its own, or one that holds no transaction open across an await.
 */
import { checkSqlite, transact, type Row, type SqliteDatabase } from '../sqlite/sqlite-database.ts';
import type { ClaimAnswer, IdempotencyStore, KeyClaim, RunOutcome, StoredKey } from './idempotency-store.ts';
import {
  answerOf,
  claimedEntry,
  isHeld,
  isRunning,
  renewedEntry,
  settledEntry,
  type KeyEntry,
} from './key-entry.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS holdfast_idempotency (
  guard TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT,
  owner TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  leased_until INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  outcome TEXT,
  PRIMARY KEY (guard, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holdfast_idempotency_expiry ON holdfast_idempotency (expires_at);
`;

const FIND = 'SELECT * FROM holdfast_idempotency WHERE guard = ? AND key = ?';
const PUT = `INSERT OR REPLACE INTO holdfast_idempotency
  (guard, key, fingerprint, owner, attempt, leased_until, expires_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const FORGET = 'DELETE FROM holdfast_idempotency WHERE guard = ? AND key = ?';
const SWEEP = `DELETE FROM holdfast_idempotency WHERE (guard, key) IN
  (SELECT guard, key FROM holdfast_idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`;

/** Keys in SQLite. */
export class SqliteIdempotencyStore implements IdempotencyStore {
  readonly #db: SqliteDatabase;

  /** @throws TypeError */
  constructor(db: SqliteDatabase) {
    checkSqlite('db', db);
    this.#db = db;
  }

  /** Makes the table where it is missing. */
  async migrate(): Promise<void> {
    await transact(this.#db, () => this.#db.exec(SCHEMA));
  }

  claim(key: StoredKey, claim: KeyClaim): Promise<ClaimAnswer> {
    return transact(this.#db, (): ClaimAnswer => {
      const at = Date.now();
      const known = this.#find(key);
      const answer = known && answerOf(known, claim, at);
      if (answer !== undefined) return answer;
      const entry = claimedEntry(known, claim, at);
      this.#put(key, entry);
      return { state: 'claimed', attempt: entry.attempt };
    });
  }

  renew(key: StoredKey, claim: KeyClaim): Promise<boolean> {
    return this.#change(key, claim, (entry) => renewedEntry(entry, claim, Date.now()));
  }

  settle(key: StoredKey, claim: KeyClaim, outcome: RunOutcome): Promise<boolean> {
    return this.#change(key, claim, (entry) => settledEntry(entry, claim, outcome, Date.now()));
  }

  forget({ guard, key }: StoredKey): Promise<boolean> {
    return transact(this.#db, () => {
      const entry = this.#find({ guard, key });
      if (entry === undefined || isRunning(entry, Date.now())) return false;
      this.#db.prepare(FORGET).run(guard, key);
      return true;
    });
  }

  sweep(limit: number): Promise<number> {
    return transact(this.#db, () => Number(this.#db.prepare(SWEEP).run(Date.now(), limit).changes));
  }

  #change(key: StoredKey, claim: KeyClaim, next: (entry: KeyEntry) => KeyEntry): Promise<boolean> {
    return transact(this.#db, () => {
      const entry = this.#find(key);
      if (!isHeld(entry, claim)) return false;
      this.#put(key, next(entry));
      return true;
    });
  }

  #find({ guard, key }: StoredKey): KeyEntry | undefined {
    const row = this.#db.prepare(FIND).get(guard, key);
    return row === undefined ? undefined : entryOf(row as Row);
  }

  #put({ guard, key }: StoredKey, entry: KeyEntry): void {
    const { fingerprint = null, owner, attempt, leasedUntil, expiresAt, outcome } = entry;
    const kept = outcome === undefined ? null : JSON.stringify(outcome);
    this.#db.prepare(PUT).run(guard, key, fingerprint, owner, attempt, leasedUntil, expiresAt, kept);
  }
}

function entryOf(row: Row): KeyEntry {
  const { fingerprint, outcome } = row;
  return {
    fingerprint: typeof fingerprint === 'string' ? fingerprint : undefined,
    owner: String(row['owner']),
    attempt: Number(row['attempt']),
    leasedUntil: Number(row['leased_until']),
    expiresAt: Number(row['expires_at']),
    // written by #put
    outcome: typeof outcome === 'string' ? (JSON.parse(outcome) as KeyEntry['outcome']) : undefined,
  };
}
