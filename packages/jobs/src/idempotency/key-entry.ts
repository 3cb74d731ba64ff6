/** What is known of one key, and what follows from it; the same for every store that decides by itself. */
import type { JobFailure } from '@holdfast/core';
import type { ClaimAnswer, KeyClaim, RunOutcome } from './idempotency-store.ts';

/** One key, its run and what that came to. Times are milliseconds since the epoch. */
export interface KeyEntry {
  readonly fingerprint: string | undefined;
  readonly owner: string;
  /** How many runs began. */
  readonly attempt: number;
  readonly leasedUntil: number;
  readonly expiresAt: number;
  /** Absent while it runs. */
  readonly outcome: Exclude<RunOutcome, { readonly kind: 'released' }> | undefined;
}

/** What stands for a run that ran nothing: a failure that may be tried again. */
export const NOT_RUN: JobFailure = { name: 'Error', message: 'nothing was run' };

/** What the key says to a claim at this moment; `undefined` where it may be claimed. */
export function answerOf(entry: KeyEntry, { fingerprint }: KeyClaim, at: number): ClaimAnswer | undefined {
  if (entry.expiresAt <= at) return undefined;
  if (fingerprint !== undefined && entry.fingerprint !== undefined && fingerprint !== entry.fingerprint)
    return { state: 'reused' };
  const { outcome, leasedUntil } = entry;
  if (isRunning(entry, at)) return { state: 'running', leftMs: leasedUntil - at };
  if (outcome === undefined) return undefined;
  if (outcome.kind === 'done') return { state: 'done', result: outcome.result };
  return outcome.final ? { state: 'failed', error: outcome.error } : undefined;
}

/** The key once it is claimed. */
export function claimedEntry(known: KeyEntry | undefined, claim: KeyClaim, at: number): KeyEntry {
  const live = known !== undefined && known.expiresAt > at ? known : undefined;
  return {
    fingerprint: claim.fingerprint ?? live?.fingerprint,
    owner: claim.owner,
    attempt: (live?.attempt ?? 0) + 1,
    leasedUntil: at + claim.leaseMs,
    expiresAt: at + claim.leaseMs + claim.ttlMs,
    outcome: undefined,
  };
}

/** Whether somebody runs the key at this moment. */
export function isRunning({ outcome, leasedUntil }: KeyEntry, at: number): boolean {
  return outcome === undefined && leasedUntil > at;
}

/** Whether the key is run by this owner. */
export function isHeld(entry: KeyEntry | undefined, { owner }: KeyClaim): entry is KeyEntry {
  return entry !== undefined && entry.owner === owner && entry.outcome === undefined;
}

/** The key with its lease renewed. */
export function renewedEntry(entry: KeyEntry, { leaseMs, ttlMs }: KeyClaim, at: number): KeyEntry {
  return { ...entry, leasedUntil: at + leaseMs, expiresAt: at + leaseMs + ttlMs };
}

/** The key with what its run came to. */
export function settledEntry(
  entry: KeyEntry,
  { ttlMs }: KeyClaim,
  outcome: RunOutcome,
  at: number,
): KeyEntry {
  const released = outcome.kind === 'released';
  return {
    ...entry,
    attempt: entry.attempt - (released ? 1 : 0),
    expiresAt: at + ttlMs,
    outcome: released ? { kind: 'failed', error: NOT_RUN, final: false } : outcome,
  };
}
