/** What every store of keys has to do, as a model and random sequences of calls. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  IdempotencyGuard,
  type ClaimAnswer,
  type IdempotencyStore,
  type KeyClaim,
  type RunOutcome,
  type StoredKey,
} from '../../src/index.ts';

/** A store with nothing in it, whose clock the test can set forward. */
export interface StoreUnderTest {
  readonly store: IdempotencyStore;
  advance(milliseconds: number): void | Promise<void>;
}

// no sum of steps comes near a lease's or an expiry's end, so that real time may pass as well
const STEPS = [4_000, 48_000, 112_000];
const LEASE_MS = 10_000;
const TTL_MS = 97_000;

const OUTCOMES: readonly RunOutcome[] = [
  { kind: 'done', result: '{"ok":true}' },
  { kind: 'done', result: undefined },
  { kind: 'failed', error: { name: 'RangeError', message: 'no' }, final: true },
  { kind: 'failed', error: { name: 'Error', message: 'busy' }, final: false },
  { kind: 'released' },
];

interface Known {
  owner: string;
  fingerprint: string | undefined;
  attempt: number;
  leaseEnd: number;
  end: number;
  outcome: RunOutcome | undefined;
}

class Model {
  at = 0;
  readonly keys = new Map<string, Known>();

  claim(key: string, owner: string, fingerprint: string | undefined): ClaimAnswer['state'] | number {
    const known = this.#live(key);
    if (known !== undefined) {
      if (fingerprint !== undefined && known.fingerprint !== undefined && fingerprint !== known.fingerprint)
        return 'reused';
      if (known.outcome === undefined && known.leaseEnd > this.at) return 'running';
      if (known.outcome?.kind === 'done') return 'done';
      if (known.outcome?.kind === 'failed' && known.outcome.final) return 'failed';
    }
    const attempt = (known?.attempt ?? 0) + 1;
    this.keys.set(key, {
      owner,
      fingerprint: fingerprint ?? known?.fingerprint,
      attempt,
      leaseEnd: this.at + LEASE_MS,
      end: this.at + LEASE_MS + TTL_MS,
      outcome: undefined,
    });
    return attempt;
  }

  held(key: string, owner: string): Known | undefined {
    const known = this.keys.get(key);
    return known?.owner === owner && known.outcome === undefined ? known : undefined;
  }

  settle(key: string, owner: string, outcome: RunOutcome): boolean {
    const known = this.held(key, owner);
    if (known === undefined) return false;
    if (outcome.kind === 'released') known.attempt -= 1;
    known.outcome = outcome;
    known.end = this.at + TTL_MS;
    return true;
  }

  forget(key: string): boolean {
    const known = this.keys.get(key);
    if (known !== undefined && known.outcome === undefined && known.leaseEnd > this.at) return false;
    return this.keys.delete(key);
  }

  sweep(): number {
    const expired = [...this.keys].filter(([, { end }]) => end <= this.at);
    for (const [key] of expired) this.keys.delete(key);
    return expired.length;
  }

  #live(key: string): Known | undefined {
    const known = this.keys.get(key);
    return known !== undefined && known.end > this.at ? known : undefined;
  }
}

const key = fc.constantFrom('a', 'b');
const owner = fc.constantFrom('x', 'y');
const step = fc.oneof(
  fc.record({
    do: fc.constant('claim' as const),
    key,
    fingerprint: fc.constantFrom(undefined, undefined, 'f', 'g'),
  }),
  fc.record({ do: fc.constant('renew' as const), key, owner }),
  fc.record({ do: fc.constant('settle' as const), key, owner, outcome: fc.constantFrom(...OUTCOMES) }),
  fc.record({ do: fc.constant('advance' as const), by: fc.constantFrom(...STEPS) }),
  fc.record({ do: fc.constant('forget' as const), key }),
  fc.record({ do: fc.constant('sweep' as const) }),
);

/** Declares the tests. */
export function storeContract(fresh: () => Promise<StoreUnderTest>, numRuns: number): void {
  it('answers as the model does, whatever is asked in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const under = await fresh();
        const { store } = under;
        const model = new Model();
        let owners = 0;
        const latest = { x: 'nobody', y: 'nobody' };
        const keyOf = (name: string): StoredKey => ({ guard: 'g', key: name });
        const claimOf = (by: string, fingerprint?: string): KeyClaim => ({
          owner: by,
          fingerprint,
          leaseMs: LEASE_MS,
          ttlMs: TTL_MS,
        });
        for (const one of steps) {
          switch (one.do) {
            case 'claim': {
              owners += 1;
              latest[owners % 2 === 0 ? 'x' : 'y'] = String(owners);
              const expected = model.claim(one.key, String(owners), one.fingerprint);
              const answer = await store.claim(keyOf(one.key), claimOf(String(owners), one.fingerprint));
              expect(answer.state === 'claimed' ? answer.attempt : answer.state).toBe(expected);
              if (answer.state === 'running') expect(answer.leftMs).toBeGreaterThan(0);
              const { outcome } = model.keys.get(one.key) ?? {};
              if (answer.state === 'done') expect(outcome).toEqual({ kind: 'done', result: answer.result });
              if (answer.state === 'failed') expect(outcome).toMatchObject({ error: answer.error });
              break;
            }
            case 'renew': {
              const by = latest[one.owner];
              const known = model.held(one.key, by);
              if (known !== undefined) {
                known.leaseEnd = model.at + LEASE_MS;
                known.end = known.leaseEnd + TTL_MS;
              }
              expect(await store.renew(keyOf(one.key), claimOf(by))).toBe(known !== undefined);
              break;
            }
            case 'settle': {
              const by = latest[one.owner];
              const expected = model.settle(one.key, by, one.outcome);
              expect(await store.settle(keyOf(one.key), claimOf(by), one.outcome)).toBe(expected);
              break;
            }
            case 'forget':
              expect(await store.forget(keyOf(one.key))).toBe(model.forget(one.key));
              break;
            case 'advance':
              model.at += one.by;
              await under.advance(one.by);
              break;
            case 'sweep':
              expect(await store.sweep(10)).toBe(model.sweep());
          }
        }
      }),
      { numRuns },
    );
  }, 60_000);

  it('lets one of many claim a key', async () => {
    const { store } = await fresh();
    const claims = Array.from({ length: 20 }, (_, index) =>
      store.claim(
        { guard: 'g', key: 'k' },
        { owner: `${index}`, fingerprint: undefined, leaseMs: LEASE_MS, ttlMs: TTL_MS },
      ),
    );
    const states = (await Promise.all(claims)).map(({ state }) => state);
    expect(states.filter((state) => state === 'claimed')).toHaveLength(1);
    expect(states.filter((state) => state === 'running')).toHaveLength(19);
  });

  it('takes times that are no whole milliseconds, and keys of every character', async () => {
    const { store } = await fresh();
    const guard = new IdempotencyGuard({ store, leaseMs: 100_000 / 3, ttlMs: 1_000_000 / 3 });
    const keys = [
      '\u0001\u007F',
      `'"\\%_;--`,
      ' ',
      'é',
      'e\u0301',
      '\u{1F600}',
      '\u{10FFFF}',
      '\uFFFD',
      'k'.repeat(500),
    ];
    for (const [index, key] of keys.entries()) expect(await guard.execute(key, () => index)).toBe(index);
    for (const [index, key] of keys.entries()) expect(await guard.execute(key, () => -1)).toBe(index);
  });

  it('keeps the keys of two guards apart, and forgets no more than it is told to', async () => {
    const under = await fresh();
    const { store } = under;
    const claim: KeyClaim = { owner: 'o', fingerprint: undefined, leaseMs: LEASE_MS, ttlMs: TTL_MS };
    for (const guard of ['one', 'two', 'three'])
      await expect(store.claim({ guard, key: 'k' }, claim)).resolves.toEqual({
        state: 'claimed',
        attempt: 1,
      });
    await under.advance(112_000);
    expect(await store.sweep(2)).toBe(2);
    expect(await store.sweep(2)).toBe(1);
    expect(await store.sweep(2)).toBe(0);
  });
}
