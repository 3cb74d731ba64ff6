/** Keys in this process, for tests and for what a restart may forget. Bounded: the outcome reached first is forgotten first. */
import { QueueFullError } from '@holdfast/core';
import { checkInteger, checkOptions } from '@holdfast/core/internal';
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

/** How a store in memory is made. */
export interface MemoryIdempotencyStoreOptions {
  /** How many keys are kept at most; a full store forgets outcomes, but no run. @default 100_000 */
  readonly maxKeys?: number | undefined;
}

/**
 * Keys in memory.
 *
 * @throws QueueFullError from `claim`, where as many keys as it may keep are running.
 */
export class MemoryIdempotencyStore implements IdempotencyStore {
  readonly #maxKeys: number;
  readonly #entries: Map<string, KeyEntry> = new Map<string, KeyEntry>();

  /** @throws TypeError, RangeError */
  constructor(options: MemoryIdempotencyStoreOptions = {}) {
    checkOptions('options', options, ['maxKeys']);
    const { maxKeys = 100_000 } = options;
    this.#maxKeys = checkInteger('maxKeys', maxKeys, 1);
  }

  /** How many keys are kept. */
  get size(): number {
    return this.#entries.size;
  }

  async claim(key: StoredKey, claim: KeyClaim): Promise<ClaimAnswer> {
    const at = Date.now();
    const name = nameOf(key);
    const known = this.#entries.get(name);
    const answer = known && answerOf(known, claim, at);
    if (answer !== undefined) return answer;
    if (known === undefined) this.#makeRoom();
    const entry = claimedEntry(known, claim, at);
    this.#put(name, entry);
    return { state: 'claimed', attempt: entry.attempt };
  }

  async renew(key: StoredKey, claim: KeyClaim): Promise<boolean> {
    return this.#change(key, claim, (entry) => renewedEntry(entry, claim, Date.now()));
  }

  async settle(key: StoredKey, claim: KeyClaim, outcome: RunOutcome): Promise<boolean> {
    return this.#change(key, claim, (entry) => settledEntry(entry, claim, outcome, Date.now()));
  }

  async forget(key: StoredKey): Promise<boolean> {
    const name = nameOf(key);
    const entry = this.#entries.get(name);
    return entry !== undefined && !isRunning(entry, Date.now()) && this.#entries.delete(name);
  }

  async sweep(limit: number): Promise<number> {
    const at = Date.now();
    let swept = 0;
    for (const [name, { expiresAt }] of this.#entries) {
      if (swept === limit) break;
      if (expiresAt > at) continue;
      this.#entries.delete(name);
      swept += 1;
    }
    return swept;
  }

  #change(key: StoredKey, claim: KeyClaim, next: (entry: KeyEntry) => KeyEntry): boolean {
    const name = nameOf(key);
    const entry = this.#entries.get(name);
    if (!isHeld(entry, claim)) return false;
    this.#put(name, next(entry));
    return true;
  }

  /** Last in the map, so that the first is the one that nothing has happened to for longest. */
  #put(name: string, entry: KeyEntry): void {
    this.#entries.delete(name);
    this.#entries.set(name, entry);
  }

  #makeRoom(): void {
    if (this.#entries.size < this.#maxKeys) return;
    for (const [name, { outcome }] of this.#entries) {
      if (outcome === undefined) continue;
      this.#entries.delete(name);
      return;
    }
    throw new QueueFullError('idempotency keys in memory', this.#maxKeys);
  }
}

function nameOf({ guard, key }: StoredKey): string {
  return JSON.stringify([guard, key]);
}
