/**
 * Where an idempotency guard keeps its keys: the interface that a store implements. Every method is atomic, whatever other
 * processes do. Leases and expiry are judged by one clock, the store's own.
 */
import type { JobFailure } from '@holdfast/core';

/** A key, and the guard it belongs to. */
export interface StoredKey {
  readonly guard: string;
  readonly key: string;
}

/** How a key is claimed. */
export interface KeyClaim {
  /** Who claims it: different for each run. */
  readonly owner: string;
  /** What the key stands for; compared with the one it was first claimed with, where both are given. */
  readonly fingerprint: string | undefined;
  readonly leaseMs: number;
  readonly ttlMs: number;
}

/** What a claim was answered. */
export type ClaimAnswer =
  /** It is the claimer's. `attempt` counts the runs that began, from 1. */
  | { readonly state: 'claimed'; readonly attempt: number }
  /** Somebody else runs it, for so much longer unless the lease is renewed. */
  | { readonly state: 'running'; readonly leftMs: number }
  /** It is done; `result` is JSON, absent where nothing was returned. */
  | { readonly state: 'done'; readonly result: string | undefined }
  /** It failed for good. */
  | { readonly state: 'failed'; readonly error: JobFailure }
  /** It stands for something else. */
  | { readonly state: 'reused' };

/** What a run came to. */
export type RunOutcome =
  | { readonly kind: 'done'; readonly result: string | undefined }
  /** Failed; `final` is whether for good. */
  | { readonly kind: 'failed'; readonly error: JobFailure; readonly final: boolean }
  /** Nothing was run: the run does not count. */
  | { readonly kind: 'released' };

/** Keeps keys. */
export interface IdempotencyStore {
  /** Claims the key where it is free, expired, failed but not for good, or where the lease of its run has ended. */
  claim(key: StoredKey, claim: KeyClaim): Promise<ClaimAnswer>;
  /** Goes on with the lease; false where the key is not this owner's any more. */
  renew(key: StoredKey, claim: KeyClaim): Promise<boolean>;
  /** Keeps what the run came to; false, and nothing is changed, where the key is not this owner's any more. */
  settle(key: StoredKey, claim: KeyClaim, outcome: RunOutcome): Promise<boolean>;
  /** Forgets the key, unless a run of it has a lease that lasts; says whether it was there to forget. */
  forget(key: StoredKey): Promise<boolean>;
  /** Forgets keys that have expired, `limit` at most; says how many. */
  sweep(limit: number): Promise<number>;
}
