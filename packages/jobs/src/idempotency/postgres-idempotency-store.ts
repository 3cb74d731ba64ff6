/**
 * Keys in a table of the caller's own PostgreSQL, shared by all processes. Leases and expiry go by the server's clock. Give it the
 * pool: each method is one statement, and must not be part of a transaction that may be rolled back.
 */
import type { JobFailure } from '@holdfast/core';
import { checkQueryable, migratePostgres, type PostgresQueryable } from '../postgres/postgres-client.ts';
import type { ClaimAnswer, IdempotencyStore, KeyClaim, RunOutcome, StoredKey } from './idempotency-store.ts';
import { NOT_RUN } from './key-entry.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS holdfast_idempotency (
  guard text NOT NULL,
  key text NOT NULL,
  fingerprint text,
  owner text NOT NULL,
  attempt integer NOT NULL,
  leased_until timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL,
  result text,
  error_name text,
  error_message text,
  PRIMARY KEY (guard, key)
);
CREATE INDEX IF NOT EXISTS holdfast_idempotency_expiry ON holdfast_idempotency (expires_at);
`;

function after(milliseconds: string): string {
  return `clock_timestamp() + (${milliseconds})::float8 * interval '1 millisecond'`;
}

const EXPIRED = 'known.expires_at <= clock_timestamp()';

const CLAIM = `
INSERT INTO holdfast_idempotency AS known
  (guard, key, fingerprint, owner, attempt, leased_until, expires_at, state)
VALUES ($1, $2, $3, $4, 1, ${after('$5')}, ${after('$5 + $6')}, 'running')
ON CONFLICT (guard, key) DO UPDATE SET
  fingerprint = CASE WHEN ${EXPIRED} THEN excluded.fingerprint ELSE coalesce(excluded.fingerprint, known.fingerprint) END,
  attempt = CASE WHEN ${EXPIRED} THEN 1 ELSE known.attempt + 1 END,
  owner = excluded.owner, leased_until = excluded.leased_until, expires_at = excluded.expires_at,
  state = 'running', result = NULL, error_name = NULL, error_message = NULL
WHERE ${EXPIRED} OR (
  (known.fingerprint IS NULL OR excluded.fingerprint IS NULL OR known.fingerprint = excluded.fingerprint)
  AND (known.state = 'retry' OR (known.state = 'running' AND known.leased_until <= clock_timestamp())))
RETURNING attempt`;

const FIND = `
SELECT state, fingerprint, result, error_name, error_message,
  extract(epoch FROM leased_until - clock_timestamp())::float8 * 1000 AS left_ms
FROM holdfast_idempotency WHERE guard = $1 AND key = $2 AND expires_at > clock_timestamp()`;

const OURS = `guard = $1 AND key = $2 AND owner = $3 AND state = 'running'`;

const RENEW = `UPDATE holdfast_idempotency
SET leased_until = ${after('$4')}, expires_at = ${after('$4 + $5')} WHERE ${OURS}`;

const SETTLE = `UPDATE holdfast_idempotency SET state = $4, result = $5, error_name = $6, error_message = $7,
  attempt = attempt - $8::integer, expires_at = ${after('$9')} WHERE ${OURS}`;

const FORGET = `DELETE FROM holdfast_idempotency WHERE guard = $1 AND key = $2
  AND NOT (state = 'running' AND leased_until > clock_timestamp())`;

const SWEEP = `DELETE FROM holdfast_idempotency WHERE (guard, key) IN (
  SELECT guard, key FROM holdfast_idempotency WHERE expires_at <= clock_timestamp()
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`;

/** Keys in PostgreSQL. */
export class PostgresIdempotencyStore implements IdempotencyStore {
  readonly #db: PostgresQueryable;

  /** @throws TypeError */
  constructor(db: PostgresQueryable) {
    checkQueryable('db', db);
    this.#db = db;
  }

  /** Makes the table where it is missing. */
  async migrate(): Promise<void> {
    await migratePostgres(this.#db, SCHEMA);
  }

  async claim({ guard, key }: StoredKey, claim: KeyClaim): Promise<ClaimAnswer> {
    const { fingerprint = null, owner, leaseMs, ttlMs } = claim;
    for (;;) {
      const claimed = await this.#db.query(CLAIM, [guard, key, fingerprint, owner, leaseMs, ttlMs]);
      const [ours] = claimed.rows;
      if (ours !== undefined) return { state: 'claimed', attempt: Number(ours['attempt']) };
      const found = await this.#db.query(FIND, [guard, key]);
      const answer = answerOf(found.rows[0], fingerprint);
      // between the two it has come free
      if (answer !== undefined) return answer;
    }
  }

  async renew({ guard, key }: StoredKey, { owner, leaseMs, ttlMs }: KeyClaim): Promise<boolean> {
    const { rowCount } = await this.#db.query(RENEW, [guard, key, owner, leaseMs, ttlMs]);
    return rowCount === 1;
  }

  async settle({ guard, key }: StoredKey, { owner, ttlMs }: KeyClaim, outcome: RunOutcome): Promise<boolean> {
    const values = [guard, key, owner, ...columnsOf(outcome), ttlMs];
    const { rowCount } = await this.#db.query(SETTLE, values);
    return rowCount === 1;
  }

  async forget({ guard, key }: StoredKey): Promise<boolean> {
    const { rowCount } = await this.#db.query(FORGET, [guard, key]);
    return rowCount === 1;
  }

  async sweep(limit: number): Promise<number> {
    const { rowCount } = await this.#db.query(SWEEP, [limit]);
    return rowCount ?? 0;
  }
}

/** State, result, the error's name and message, and how many attempts to take back. */
function columnsOf(outcome: RunOutcome): unknown[] {
  if (outcome.kind === 'done') return ['done', outcome.result ?? null, null, null, 0];
  if (outcome.kind === 'released') return ['retry', null, NOT_RUN.name, NOT_RUN.message, 1];
  const { name, message } = outcome.error;
  return [outcome.final ? 'failed' : 'retry', null, withoutNul(name), withoutNul(message), 0];
}

/** PostgreSQL has no text with a NUL in it. */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}

/** What a row says to a claim that it did not let in; `undefined` where by now it would. */
function answerOf(
  row: Readonly<Record<string, unknown>> | undefined,
  fingerprint: string | null,
): ClaimAnswer | undefined {
  if (row === undefined) return undefined;
  const known = row['fingerprint'];
  if (fingerprint !== null && known !== null && known !== fingerprint) return { state: 'reused' };
  switch (row['state']) {
    case 'running': {
      const leftMs = Number(row['left_ms']);
      return leftMs > 0 ? { state: 'running', leftMs } : undefined;
    }
    case 'done': {
      const { result } = row;
      return { state: 'done', result: typeof result === 'string' ? result : undefined };
    }
    case 'failed': {
      const error: JobFailure = { name: String(row['error_name']), message: String(row['error_message']) };
      return { state: 'failed', error };
    }
    default:
      return undefined;
  }
}
