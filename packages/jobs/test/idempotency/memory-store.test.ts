import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryIdempotencyStore, type KeyClaim } from '../../src/index.ts';
import { storeContract } from './store-contract.ts';

const CLAIM: KeyClaim = { owner: 'o', fingerprint: undefined, leaseMs: 1_000, ttlMs: 1_000 };

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

describe('MemoryIdempotencyStore', () => {
  storeContract(
    async () => ({
      store: new MemoryIdempotencyStore(),
      advance: (milliseconds) => void vi.setSystemTime(Date.now() + milliseconds),
    }),
    300,
  );

  it('forgets the outcome reached first when it is full, but no run', async () => {
    const store = new MemoryIdempotencyStore({ maxKeys: 2 });
    const key = (name: string): { readonly guard: string; readonly key: string } => ({
      guard: 'g',
      key: name,
    });
    await store.claim(key('running'), CLAIM);
    await store.claim(key('done'), CLAIM);
    await store.settle(key('done'), CLAIM, { kind: 'done', result: '1' });
    await store.claim(key('new'), CLAIM);
    expect(store.size).toBe(2);
    expect(await store.claim(key('running'), CLAIM)).toMatchObject({ state: 'running' });
    await expect(store.claim(key('one more'), CLAIM)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });

  it.each([0, 1.5, NaN, Infinity, '1', null])('refuses maxKeys: %s', (maxKeys) => {
    expect(() => new MemoryIdempotencyStore({ maxKeys: maxKeys as number })).toThrow('maxKeys');
  });
});
