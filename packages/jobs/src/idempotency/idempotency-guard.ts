/**
 * Makes a repeated call harmless: the work of one key runs at most once at a time, and not again once it is done; who comes later
 * gets the result that was kept. Its guarantee ends where a lease does: a process that dies, or whose event loop stands still for
 * longer than its lease, may leave an effect half done, and the next run is told by `attempt`.
 */
import {
  noRetry,
  type AttemptContext,
  type Component,
  type Stats,
  type WaitOptions,
  type Work,
} from '@holdfast/core';
import {
  MAX_TIMER_MS,
  call,
  checkBetween,
  checkDelayMs,
  checkFunction,
  checkName,
  checkOneOf,
  checkOptions,
  checkWaitOptions,
  emit,
  executionOf,
  invalidType,
  now,
  observed,
} from '@holdfast/core/internal';
import { checkKey } from '../check-key.ts';
import { GuardedRun, type RunLimits } from './guarded-run.ts';
import type { IdempotencyStore, KeyClaim } from './idempotency-store.ts';
import { KeyInUseError, KeyReusedError } from './key-errors.ts';
import { KeyWaits } from './key-waits.ts';

/** How a guard is made. */
export interface IdempotencyGuardOptions {
  /** Where keys are kept. */
  readonly store: IdempotencyStore;
  /** Names it in the store, events, errors and statistics; guards of one name share their keys. @default 'idempotency' */
  readonly name?: string | undefined;
  /** How long an outcome is kept, in milliseconds. @default 86_400_000 */
  readonly ttlMs?: number | undefined;
  /** How long a run that says nothing more keeps its key, in milliseconds; renewed at a third of it. @default 30_000 */
  readonly leaseMs?: number | undefined;
  /**
   * What becomes of an error that says `retryable: false`: it is forgotten, so that a dead job that somebody requeues is run, or kept
   * and replayed.
   *
   * @default 'forget'
   */
  readonly failures?: 'forget' | 'keep' | undefined;
  /** How long calls that do not say otherwise wait for somebody else's run of their key, in milliseconds. @default 0 */
  readonly maxWaitMs?: number | undefined;
}

/** How one call is made. */
export interface IdempotentCallOptions extends WaitOptions {
  /** What the key stands for, such as a hash of the request; a key that is known with another one is refused. */
  readonly fingerprint?: string | undefined;
}

/** Ten years. */
const MAX_TTL_MS = 315_576_000_000;

const SWEEP_EVERY_MS = 60_000;
const SWEEP_LIMIT = 1_000;

/** When a refused caller should come again at the latest, in milliseconds: the run may be over long before its lease. */
const COME_AGAIN_MS = 1_000;

/**
 * Runs the work of each key once.
 *
 * @example
 * const once = new IdempotencyGuard({ name: 'charges', store: new PostgresIdempotencyStore(pool) });
 * charges.consume((charge, ctx) => once.execute(ctx.id, ({ signal }) => pay(charge, signal), ctx));
 */
export class IdempotencyGuard implements Component {
  readonly name: string;
  readonly #store: IdempotencyStore;
  readonly #ttlMs: number;
  readonly #leaseMs: number;
  readonly #keepFailures: boolean;
  readonly #maxWaitMs: number;
  readonly #waits: KeyWaits = new KeyWaits();
  readonly #counts = { running: 0, done: 0, failed: 0, replayed: 0, refused: 0, lost: 0 };
  #sweptAt = -Infinity;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: IdempotencyGuardOptions) {
    checkOptions('options', options, ['store', 'name', 'ttlMs', 'leaseMs', 'failures', 'maxWaitMs']);
    const { store, name = 'idempotency', ttlMs = 86_400_000, leaseMs = 30_000 } = options;
    const { failures = 'forget', maxWaitMs = 0 } = options;
    checkStore(store);
    this.name = checkName('name', name);
    this.#store = store;
    this.#ttlMs = Math.ceil(checkBetween('ttlMs', ttlMs, 0, MAX_TTL_MS));
    // whole milliseconds, since a store may know no others
    this.#leaseMs = Math.ceil(checkBetween('leaseMs', leaseMs, 1, MAX_TIMER_MS));
    this.#keepFailures = checkOneOf('failures', failures, ['forget', 'keep']) === 'keep';
    this.#maxWaitMs = checkDelayMs('maxWaitMs', maxWaitMs, true);
  }

  /**
   * Runs `fn` for `key`, or gives what an earlier run came to. What `fn` returns is kept as JSON and comes back as such, also here.
   * After an error the next call runs it again, unless that error is to be kept.
   *
   * @throws TypeError, RangeError on a key that no database can keep as it is, and other bad options.
   * @throws KeyInUseError when the key runs elsewhere for longer than `maxWaitMs`, or its lease was lost; come again.
   * @throws KeyReusedError where the key is known with another fingerprint.
   * @throws NoRetryError where the key failed for good before, and that was kept.
   * @throws PayloadInvalidError, PayloadTooLargeError where the result cannot be kept; the key has then failed for good.
   * @throws what `fn` throws; the signal's reason at once when it aborts, with `fn` holding its key until it has settled.
   */
  async execute<T>(
    key: string,
    fn: Work<T, AttemptContext>,
    options: IdempotentCallOptions = {},
  ): Promise<T> {
    checkKey('key', key);
    checkFunction('fn', fn);
    checkWaitOptions(options);
    const { signal, deadline, fingerprint, maxWaitMs = this.#maxWaitMs } = options;
    if (fingerprint !== undefined) checkKey('fingerprint', fingerprint);
    const claim: KeyClaim = {
      owner: globalThis.crypto.randomUUID(),
      fingerprint,
      leaseMs: this.#leaseMs,
      ttlMs: this.#ttlMs,
    };
    const execution = executionOf(options);
    return call(
      async (ctx) => {
        const claimed = await this.#claim(key, claim, maxWaitMs, ctx.signal);
        // what was kept is what fn returned
        if ('result' in claimed) return claimed.result as T;
        const { attempt, leasedUntil } = claimed;
        const stored = { guard: this.name, key };
        const run = new GuardedRun(this.#store, stored, claim, leasedUntil, this.#keepFailures);
        return this.#run(run, attempt, fn, { signal: ctx.signal, deadline, execution });
      },
      { signal, deadline, name: `Key "${key}" of "${this.name}"` },
    );
  }

  /**
   * Forgets what the key came to, so that the next call runs it; false where nothing is known of it, or it is running.
   *
   * @throws TypeError, and what the store rejects with (as rejections)
   */
  async forget(key: string): Promise<boolean> {
    checkKey('key', key);
    return this.#store.forget({ guard: this.name, key });
  }

  /** Totals of this process. */
  stats(): Stats {
    return { ...this.#counts };
  }

  /** Claims the key, or waits until it is known what it came to. */
  async #claim(
    key: string,
    claim: KeyClaim,
    maxWaitMs: number,
    signal: AbortSignal,
  ): Promise<Claimed | { readonly result: unknown }> {
    const until = now() + maxWaitMs;
    for (let tries = 0; ; tries += 1) {
      const leasedUntil = now() + claim.leaseMs;
      const answer = await this.#store.claim({ guard: this.name, key }, claim);
      this.#sweepSometimes();
      switch (answer.state) {
        case 'claimed':
          if (now() < leasedUntil) return { attempt: answer.attempt, leasedUntil };
          // an answer that took as long as the lease it tells of: somebody else may run the key by now
          await this.#store.settle({ guard: this.name, key }, claim, { kind: 'released' });
          throw this.#inUse(key, COME_AGAIN_MS);
        case 'done':
          this.#counts.replayed += 1;
          if (observed()) emit('idempotency.replayed', this.name, { key });
          return { result: answer.result === undefined ? undefined : JSON.parse(answer.result) };
        case 'failed':
          this.#counts.replayed += 1;
          if (observed()) emit('idempotency.replayed', this.name, { key });
          throw noRetry(Object.assign(new Error(answer.error.message), { name: answer.error.name }));
        case 'reused':
          this.#counts.refused += 1;
          throw new KeyReusedError(this.name, key);
        case 'running': {
          const leftMs = until - now();
          if (leftMs <= 0) throw this.#inUse(key, answer.leftMs);
          await this.#waits.wait(key, Math.min(leftMs, answer.leftMs), tries, signal);
        }
      }
    }
  }

  async #run<T>(
    run: GuardedRun,
    attempt: number,
    fn: Work<T, AttemptContext>,
    limits: RunLimits,
  ): Promise<T> {
    this.#counts.running += 1;
    try {
      const outcome = await run.run(fn, attempt, limits);
      this.#counts[outcome.kind] += 1;
      // it is what fn returned, through JSON
      if (outcome.kind === 'done') return outcome.value as T;
      if (outcome.kind === 'failed') throw outcome.error;
      if (observed()) emit('idempotency.lease-lost', this.name, { key: run.key });
      throw this.#inUse(run.key, COME_AGAIN_MS);
    } finally {
      this.#counts.running -= 1;
      this.#waits.wake(run.key);
    }
  }

  #inUse(key: string, leftMs: number): KeyInUseError {
    this.#counts.refused += 1;
    const retryAfterMs = Math.ceil(Math.min(leftMs, COME_AGAIN_MS));
    if (observed()) emit('idempotency.rejected', this.name, { key, retryAfterMs });
    return new KeyInUseError(this.name, key, retryAfterMs);
  }

  /** Expired keys go with the traffic: no timer, and not much at a time. */
  #sweepSometimes(): void {
    const at = now();
    if (at - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = at;
    this.#store.sweep(SWEEP_LIMIT).catch((error: unknown) => {
      if (observed()) emit('idempotency.sweep-failed', this.name, { error });
    });
  }
}

/** A key that is to be run here. */
interface Claimed {
  readonly attempt: number;
  /** By `now()`, and not later than the store has it. */
  readonly leasedUntil: number;
}

const STORE_METHODS = ['claim', 'renew', 'settle', 'forget', 'sweep'] as const;

function checkStore(store: unknown): void {
  for (const method of STORE_METHODS)
    if (typeof Reflect.get(Object(store), method) !== 'function')
      throw invalidType('store', `a store, with ${STORE_METHODS.join(', ')}`, store);
}
