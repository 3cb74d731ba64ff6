/**
 * Looks after Holdfast job queues: the engine that a URL needs, handlers that may be called twice, and jobs that are enqueued in
 * the transaction they belong to.
 */

// idempotency
export {
  IdempotencyGuard,
  type IdempotencyGuardOptions,
  type IdempotentCallOptions,
} from './idempotency/idempotency-guard.ts';
export type {
  ClaimAnswer,
  IdempotencyStore,
  KeyClaim,
  RunOutcome,
  StoredKey,
} from './idempotency/idempotency-store.ts';
export { KeyInUseError, KeyReusedError } from './idempotency/key-errors.ts';
export {
  MemoryIdempotencyStore,
  type MemoryIdempotencyStoreOptions,
} from './idempotency/memory-idempotency-store.ts';
export { PostgresIdempotencyStore } from './idempotency/postgres-idempotency-store.ts';
export { SqliteIdempotencyStore } from './idempotency/sqlite-idempotency-store.ts';

// databases, by their shape
export type {
  PostgresConnection,
  PostgresNotification,
  PostgresPool,
  PostgresQueryable,
  PostgresResult,
} from './postgres/postgres-client.ts';
export type { SqliteDatabase, SqliteStatement, SqliteValue } from './sqlite/sqlite-database.ts';

// outbox
export type { ForwardOptions } from './outbox/forward-options.ts';
export type { OutboxForwarder } from './outbox/forwarder.ts';
export { PostgresOutbox, type PostgresForwardOptions } from './outbox/postgres-outbox.ts';
export { SqliteOutbox, type OutboxOptions, type SqliteForwardOptions } from './outbox/sqlite-outbox.ts';

// engines
export { loadEngines } from './engines/load-engines.ts';
