import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SqliteIdempotencyStore } from '../../src/index.ts';
import { temporaryFiles } from '../folder.ts';
import { connections, type Connection } from '../sqlite.ts';
import { sharedByProcesses } from './processes.ts';
import { storeContract } from './store-contract.ts';

const newFile = temporaryFiles();
const connect = connections();

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

describe('SqliteIdempotencyStore', () => {
  let shared: Connection | undefined;
  storeContract(async () => {
    shared ??= connect(newFile());
    const store = new SqliteIdempotencyStore(shared);
    await store.migrate();
    shared.exec('DELETE FROM holdfast_idempotency');
    return { store, advance: (milliseconds) => void vi.setSystemTime(Date.now() + milliseconds) };
  }, 100);

  it('lets one of two connections claim a key, and shows both what it came to', async () => {
    const file = newFile();
    const one = new SqliteIdempotencyStore(connect(file));
    const two = new SqliteIdempotencyStore(connect(file));
    await Promise.all([one.migrate(), two.migrate()]);
    const key = { guard: 'g', key: 'k' };
    const claim = { fingerprint: undefined, leaseMs: 1_000, ttlMs: 1_000 };
    expect(await one.claim(key, { ...claim, owner: '1' })).toEqual({ state: 'claimed', attempt: 1 });
    expect(await two.claim(key, { ...claim, owner: '2' })).toEqual({ state: 'running', leftMs: 1_000 });
    expect(await two.settle(key, { ...claim, owner: '2' }, { kind: 'released' })).toBe(false);
    await one.settle(key, { ...claim, owner: '1' }, { kind: 'done', result: '7' });
    expect(await two.claim(key, { ...claim, owner: '2' })).toEqual({ state: 'done', result: '7' });
  });

  it('waits for a transaction that is open on its connection, and is not rolled back with it', async () => {
    const db = connect(newFile());
    const store = new SqliteIdempotencyStore(db);
    await store.migrate();
    db.exec('BEGIN');
    const claimed = store.claim(
      { guard: 'g', key: 'k' },
      { owner: 'o', fingerprint: undefined, leaseMs: 1_000, ttlMs: 1_000 },
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    db.exec('ROLLBACK');
    expect(await claimed).toEqual({ state: 'claimed', attempt: 1 });
    expect(db.prepare('SELECT count(*) AS keys FROM holdfast_idempotency').get()).toEqual({ keys: 1 });
  });

  it.each([undefined, null, {}, { exec() {} }, 'file.db'])('refuses %s as a connection', (db) => {
    expect(() => new SqliteIdempotencyStore(db as unknown as Connection)).toThrow(TypeError);
  });
});

describe('a key in SQLite', () => {
  sharedByProcesses(async () => {
    vi.useRealTimers();
    const file = newFile();
    const store = new SqliteIdempotencyStore(connect(file));
    await store.migrate();
    return { store, database: { file } };
  });
});
