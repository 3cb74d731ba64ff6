/** The rows of one outbox as a forwarder sees them; each database has its own way to hold rows for one forwarder. */
import type { JobFailure } from '@holdfast/core';
import type { OutboxRow } from './outbox-row.ts';

/** Rows held for one forwarder, in the order of their insertion. */
export interface HeldRows {
  readonly rows: readonly OutboxRow[];
  /** Deletes what the queue has, sets aside what it can never take, and gives back the rest. */
  settle(forwarded: readonly OutboxRow[], refused: readonly RefusedRow[]): Promise<void>;
}

/** A row that the queue can never take, and why. */
export interface RefusedRow {
  readonly row: OutboxRow;
  readonly error: JobFailure;
}

/** What is in the table. */
export interface OutboxCounts {
  /** Rows that wait for a forwarder, or are in the hands of one. */
  readonly depth: number;
  /** Rows set aside. */
  readonly setAside: number;
  /** Age of the oldest row that waits, in milliseconds; 0 where none does. */
  readonly oldestAgeMs: number;
}

/** The rows of one outbox. */
export interface OutboxTable {
  /** Takes up to `limit` rows that nobody holds; `undefined` where there are none. */
  take(limit: number): Promise<HeldRows | undefined>;
  counts(): Promise<OutboxCounts>;
  /** Calls `wake` whenever there may be something to take, if the database can tell; never throws. */
  watch?(wake: () => void): Disposable;
}
