/**
 * One run of one key's work: its lease is renewed as long as the work has not settled, whoever has stopped waiting for it, and what
 * it came to is kept. Where the lease cannot be renewed the work is told to stop.
 */
import { LeaseLostError, sleep, type AttemptContext, type Deadline, type Work } from '@holdfast/core';
import {
  LazyAbort,
  createContext,
  encodePayload,
  extendContext,
  failureOf,
  isFinal,
  isRefusal,
  linkAbort,
  now,
  unlinkAbort,
  type AbortListener,
  type Execution,
} from '@holdfast/core/internal';
import type { IdempotencyStore, KeyClaim, RunOutcome, StoredKey } from './idempotency-store.ts';

/** What a run came to. `value` has been through JSON, as it will be when it is replayed. */
export type GuardedOutcome =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Somebody else may run the key; what counts is what that comes to. */
  | { readonly kind: 'lost' };

/** What the run is under. */
export interface RunLimits {
  readonly signal: AbortSignal;
  readonly deadline: Deadline | undefined;
  readonly execution: Execution | undefined;
}

/** Largest result kept, in bytes. */
const MAX_RESULT_BYTES = 1_048_576;

/** One run. */
export class GuardedRun implements AbortListener {
  readonly #store: IdempotencyStore;
  readonly #key: StoredKey;
  readonly #claim: KeyClaim;
  readonly #abort: LazyAbort = new LazyAbort();
  readonly #keepFailures: boolean;
  #leasedUntil: number;

  /** `leasedUntil` is when the lease ends at the earliest, by `now()`. */
  constructor(
    store: IdempotencyStore,
    key: StoredKey,
    claim: KeyClaim,
    leasedUntil: number,
    keepFailures: boolean,
  ) {
    this.#store = store;
    this.#key = key;
    this.#claim = claim;
    this.#keepFailures = keepFailures;
    this.#leasedUntil = leasedUntil;
  }

  get key(): string {
    return this.#key.key;
  }

  /** Runs `fn` and keeps what it comes to; rejects only where the store does not take that. */
  async run(fn: Work<unknown, AttemptContext>, attempt: number, limits: RunLimits): Promise<GuardedOutcome> {
    const { signal, deadline, execution } = limits;
    if (signal.aborted) {
      await this.#settle({ kind: 'released' });
      return { kind: 'failed', error: signal.reason };
    }
    linkAbort(signal, this);
    const renewal = setInterval(() => void this.#renew(), this.#claim.leaseMs / 3);
    try {
      const context = extendContext(createContext(this.#abort, deadline, execution), { attempt });
      return await this.#keep(await this.#settlementOf(fn, context));
    } finally {
      clearInterval(renewal);
      unlinkAbort(signal, this);
    }
  }

  /** The caller left. */
  onAbort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  async #settlementOf(fn: Work<unknown, AttemptContext>, context: AttemptContext): Promise<Settlement> {
    let value: unknown;
    try {
      value = await fn(context);
    } catch (error) {
      // somebody else's reason to stop, and a part that is busy, say nothing about the work
      const passing = isRefusal(error) || (this.#abort.aborted && error === this.#abort.reason);
      const final = this.#keepFailures && !passing && isFinal(error);
      return { error, outcome: { kind: 'failed', error: failureOf(error), final } };
    }
    return settlementOfValue(value);
  }

  async #keep(settlement: Settlement): Promise<GuardedOutcome> {
    const kept = await this.#settle(settlement.outcome);
    if (!kept) return { kind: 'lost' };
    return 'error' in settlement
      ? { kind: 'failed', error: settlement.error }
      : { kind: 'done', value: decode(settlement.outcome) };
  }

  /**
   * Keeps the outcome, trying again while the lease lasts: the effect has happened, and nobody may repeat it. The store refuses it
   * where somebody else has claimed the key.
   */
  async #settle(outcome: RunOutcome): Promise<boolean> {
    for (let pauseMs = 50; ; pauseMs *= 2) {
      try {
        return await this.#store.settle(this.#key, this.#claim, outcome);
      } catch (error) {
        if (now() + pauseMs > this.#leasedUntil) throw error;
      }
      await sleep(pauseMs);
    }
  }

  async #renew(): Promise<void> {
    const asked = now();
    // a timer is a little early or late, and the next one would come a third of a lease too late
    if (asked > this.#leasedUntil - this.#claim.leaseMs / 6) this.#lose();
    try {
      if (await this.#store.renew(this.#key, this.#claim)) this.#leasedUntil = asked + this.#claim.leaseMs;
      else this.#lose();
    } catch {
      // tried again at the next third; the lease bears that twice
    }
  }

  /** Somebody else may have the key by now. */
  #lose(): void {
    this.#abort.abort(new LeaseLostError(this.#key.guard, this.#key.key));
  }
}

type Settlement =
  | { readonly outcome: RunOutcome }
  /** What the caller hears. */
  | { readonly outcome: RunOutcome; readonly error: unknown };

/** A result that cannot be kept is a failure for good: its effect has happened. */
function settlementOfValue(value: unknown): Settlement {
  try {
    const result = value === undefined ? undefined : encodePayload(value, MAX_RESULT_BYTES);
    return { outcome: { kind: 'done', result } };
  } catch (error) {
    return { error, outcome: { kind: 'failed', error: failureOf(error), final: true } };
  }
}

function decode(outcome: RunOutcome): unknown {
  return outcome.kind === 'done' && outcome.result !== undefined ? JSON.parse(outcome.result) : undefined;
}
