import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type * as Sync from '../src/store.sync.ts';
import { commit, recover, setup, type StoreCall, type StoredEvent } from '../src/store.sync.ts';

const event = { id: 'a', admission: 'x', url: 'http://x/', payload: '{"n":1}', at: 1_000 };
const limit = { maxAttempts: 10, lastError: 'interrupted' };
let directory: string;
let close: () => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'relay-store-'));
  close = await setup({ directory: join(directory, 'made', 'by', 'setup'), shared: false });
});

afterEach(() => {
  close();
  rmSync(directory, { recursive: true, force: true });
});

/** A second relay in the same directory. */
async function another(shared: boolean): Promise<typeof Sync & { readonly close: () => void }> {
  vi.resetModules();
  const sync = await import('../src/store.sync.ts');
  return { ...sync, close: await sync.setup({ directory: join(directory, 'made', 'by', 'setup'), shared }) };
}

async function reopen(shared = false): Promise<void> {
  close();
  close = await setup({ directory: join(directory, 'made', 'by', 'setup'), shared });
}

function one(...call: StoreCall): unknown {
  return commit([call])[0];
}

function find(id: string): StoredEvent | undefined {
  return one('find', id) as StoredEvent | undefined;
}

describe('the store', () => {
  it('keeps an event and finds it again, also after it was closed', async () => {
    expect(one('insert', event)).toBeUndefined();
    await reopen();
    expect(find('a')).toEqual({
      id: 'a',
      admission: 'x',
      url: 'http://x/',
      payload: '{"n":1}',
      status: 'queued',
      attempts: 0,
      queueDelayMs: null,
      lastError: null,
    });
    expect(find('b')).toBeUndefined();
  });

  it('answers an insert of a taken id with what is stored, and changes nothing', () => {
    one('insert', event);
    expect(one('insert', { ...event, payload: '2', url: 'http://y/' })).toMatchObject({
      payload: '{"n":1}',
      url: 'http://x/',
    });
    expect(one('counts', undefined)).toEqual({ queued: 1, delivering: 0, delivered: 0, failed: 0 });
  });

  it('follows an event from attempt to attempt', () => {
    one('insert', event);
    expect(one('begin', { id: 'a', admission: 'x', queueDelayMs: 7.4, limit })).toEqual({
      attempt: 1,
      payload: '{"n":1}',
    });
    expect(find('a')).toMatchObject({ status: 'delivering', attempts: 1, queueDelayMs: 7, lastError: null });
    one('end', { id: 'a', attempt: 1, status: 'queued', lastError: 'HTTP 503' });
    expect(find('a')).toMatchObject({ status: 'queued', lastError: 'HTTP 503' });
    expect(one('begin', { id: 'a', admission: 'x', queueDelayMs: 99, limit })).toMatchObject({ attempt: 2 });
    one('end', { id: 'a', attempt: 1, status: 'delivered' });
    expect(find('a')).toMatchObject({
      status: 'delivered',
      attempts: 2,
      queueDelayMs: 7,
      lastError: 'HTTP 503',
    });
  });

  it('begins no attempt for an event that is settled, removed or unknown', () => {
    commit([
      ['insert', event],
      ['insert', { ...event, id: 'b' }],
      ['insert', { ...event, id: 'c' }],
    ]);
    commit([
      ['begin', { id: 'b', admission: 'x', queueDelayMs: 0, limit }],
      ['end', { id: 'a', attempt: 1, status: 'delivered' }],
      ['end', { id: 'b', attempt: 1, status: 'failed', lastError: 'HTTP 410' }],
      ['remove', { id: 'c', admission: 'x' }],
    ]);
    for (const id of ['a', 'b', 'c', 'd'])
      expect(one('begin', { id, admission: 'x', queueDelayMs: 0, limit })).toBeUndefined();
    expect(find('a')?.attempts).toBe(0);
  });

  it('counts events by status through every change and over restarts', async () => {
    commit(['a', 'b', 'c', 'd', 'e'].map((id) => ['insert', { ...event, id }]));
    commit([
      ['begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit }],
      ['begin', { id: 'b', admission: 'x', queueDelayMs: 0, limit }],
      ['end', { id: 'b', attempt: 1, status: 'delivered' }],
      ['begin', { id: 'c', admission: 'x', queueDelayMs: 0, limit }],
      ['end', { id: 'c', attempt: 1, status: 'failed', lastError: 'x' }],
      ['remove', { id: 'd', admission: 'x' }],
    ]);
    const counts = { queued: 1, delivering: 1, delivered: 1, failed: 1 };
    expect(one('counts', undefined)).toEqual(counts);
    await reopen();
    expect(one('counts', undefined)).toEqual(counts);
  });

  it('answers each operation of a batch in its place', () => {
    expect(
      commit([
        ['insert', event],
        ['insert', event],
        ['remove', { id: 'a', admission: 'x' }],
        ['insert', event],
        ['find', 'a'],
      ]),
    ).toEqual([
      undefined,
      expect.objectContaining({ id: 'a' }),
      true,
      undefined,
      expect.objectContaining({ id: 'a', status: 'queued' }),
    ]);
  });

  it('does all of a batch or nothing', () => {
    const nothing = null as unknown as 'failed';
    expect(() =>
      commit([
        ['insert', event],
        ['begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit }],
        ['end', { id: 'a', attempt: 1, status: nothing }],
      ]),
    ).toThrow('NOT NULL constraint failed: events.status');
    expect(find('a')).toBeUndefined();
    expect(one('counts', undefined)).toMatchObject({ queued: 0 });
    one('insert', event);
    expect(find('a')).toBeDefined();
  });

  it('hands out the backlog in pages, in the order of acceptance', () => {
    commit(Array.from({ length: 1_200 }, (_, n) => ['insert', { ...event, id: `e${n}`, at: n }]));
    one('end', { id: 'e3', attempt: 1, status: 'delivered' });
    const ids: string[] = [];
    for (let after = 0; ;) {
      const page = one('backlog', after) as {
        position: number;
        id: string;
        url: string;
        acceptedAt: number;
      }[];
      const last = page.at(-1);
      if (last === undefined) break;
      ids.push(...page.map(({ id }) => id));
      after = last.position;
    }
    expect(ids).toEqual(Array.from({ length: 1_200 }, (_, n) => `e${n}`).filter((id) => id !== 'e3'));
  });

  it('audits each event once, and on recovery what a dead process still owed', () => {
    commit([
      ['insert', event],
      ['insert', { ...event, id: 'b' }],
    ]);
    commit([
      ['audit', { id: 'a', at: 1 }],
      ['audit', { id: 'a', at: 2 }],
    ]);
    recover({ lastError: 'interrupted', at: 3 });
    recover({ lastError: 'interrupted', at: 4 });
    const database = new DatabaseSync(join(directory, 'made', 'by', 'setup', 'relay.db'));
    const trail = database.prepare('SELECT id, acceptedAt FROM audit ORDER BY id').all();
    database.close();
    expect(trail.map((entry) => ({ ...entry }))).toEqual([
      { id: 'a', acceptedAt: 1 },
      { id: 'b', acceptedAt: 3 },
    ]);
  });

  it('queues what a dead process was delivering; what had no attempt left fails when it would begin one', () => {
    commit([
      ['insert', event],
      ['insert', { ...event, id: 'b' }],
    ]);
    commit([
      ['begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit }],
      ['begin', { id: 'b', admission: 'x', queueDelayMs: 0, limit }],
      ['begin', { id: 'b', admission: 'x', queueDelayMs: 0, limit }],
    ]);
    recover({ lastError: 'interrupted', at: 5 });
    expect(find('a')).toMatchObject({
      status: 'queued',
      attempts: 1,
      lastError: 'interrupted',
    });
    expect(
      one('begin', { id: 'b', admission: 'x', queueDelayMs: 0, limit: { ...limit, maxAttempts: 2 } }),
    ).toBeUndefined();
    expect(find('b')).toMatchObject({
      status: 'failed',
      attempts: 2,
      lastError: 'interrupted',
    });
  });

  it('lets no later attempt be undone by the end of an earlier one, but takes any success', () => {
    one('insert', event);
    const begin = ['begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit }] as const;
    commit([begin, begin]);
    expect(one('end', { id: 'a', attempt: 1, status: 'queued', lastError: 'late' })).toBe(false);
    expect(one('end', { id: 'a', attempt: 1, status: 'failed', lastError: 'late' })).toBe(false);
    expect(find('a')).toMatchObject({ status: 'delivering', attempts: 2, lastError: null });
    expect(one('end', { id: 'a', attempt: 1, status: 'delivered' })).toBe(true);
    expect(one('end', { id: 'a', attempt: 2, status: 'queued', lastError: 'late' })).toBe(false);
    expect(find('a')).toMatchObject({ status: 'delivered', lastError: null });
  });

  it('begins no attempt for another admission of the same event', () => {
    one('insert', event);
    expect(one('remove', { id: 'a', admission: 'x' })).toBe(true);
    one('insert', { ...event, admission: 'y' });
    expect(one('begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit })).toBeUndefined();
    expect(one('remove', { id: 'a', admission: 'x' })).toBe(false);
    expect(one('begin', { id: 'a', admission: 'y', queueDelayMs: 0, limit })).toMatchObject({ attempt: 1 });
  });

  it('forgets no event that is being delivered or was accepted again, and audits none that it forgets', () => {
    commit(['a', 'b', 'c'].map((id) => ['insert', { ...event, id }]));
    recover({ lastError: 'interrupted', at: 3 });
    one('begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit });
    expect(one('keep', { id: 'b', admission: 'x' })).toBe(true);
    const forgotten = ['a', 'b', 'c'].map((id) => one('remove', { id, admission: 'x' }));
    expect(forgotten).toEqual([false, false, true]);
    expect(one('keep', { id: 'c', admission: 'x' })).toBe(false);
    const database = new DatabaseSync(join(directory, 'made', 'by', 'setup', 'relay.db'));
    const trail = database.prepare('SELECT id FROM audit ORDER BY id').all();
    database.close();
    expect(trail.map((entry) => Object.values(entry)[0])).toEqual(['a', 'b']);
  });

  it('opens a file of before events had admissions', async () => {
    const file = join(directory, 'made', 'by', 'setup', 'relay.db');
    close();
    const database = new DatabaseSync(file);
    database.exec('ALTER TABLE events DROP COLUMN admission; ALTER TABLE events DROP COLUMN repeated');
    database.exec("INSERT INTO events (id, url, payload, acceptedAt) VALUES ('old', 'http://x/', '1', 1)");
    database.close();
    await reopen();
    expect(find('old')).toMatchObject({ admission: '', status: 'queued' });
    expect(one('begin', { id: 'old', admission: '', queueDelayMs: 0, limit })).toMatchObject({ attempt: 1 });
  });

  it('leaves all of it in the main file when it is closed', () => {
    one('insert', event);
    close();
    const log = join(directory, 'made', 'by', 'setup', 'relay.db-wal');
    expect(existsSync(log) ? statSync(log).size : 0).toBe(0);
    expect(() => commit([])).toThrow('the store is closed');
  });

  it.each([['relay.db'], ['relay.lock']])('names its file where %s is none of SQLite', async (name) => {
    const broken = mkdtempSync(join(directory, 'broken-'));
    writeFileSync(join(broken, name), 'x'.repeat(2_000));
    vi.resetModules();
    const sync: typeof Sync = await import('../src/store.sync.ts');
    await expect(sync.setup({ directory: broken, shared: true })).rejects.toThrow(
      new RegExp(`^${broken}.*: file is not a database$`),
    );
  });

  describe('in a directory that somebody uses', () => {
    const busy = /in use by another relay$/;

    it('is kept from everybody where its queue is in memory', async () => {
      await expect(another(false)).rejects.toThrow(busy);
    });

    it('is kept from whoever wants it alone where relays share it', async () => {
      await reopen(true);
      recover({ lastError: 'interrupted', at: 1 });
      await expect(another(false)).rejects.toThrow(busy);
    });

    it('is one store for all who share it, under one name', async () => {
      await reopen(true);
      const { store } = recover({ lastError: 'interrupted', at: 1 });
      one('insert', event);
      const other = await another(true);
      try {
        expect(other.recover({ lastError: 'interrupted', at: 1 })).toEqual({ store, last: 1 });
        other.commit([['begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit }]]);
        expect(find('a')).toMatchObject({ status: 'delivering' });
      } finally {
        other.close();
      }
      one('end', { id: 'a', attempt: 1, status: 'delivered' });
      await reopen(false);
      expect(find('a')).toMatchObject({ status: 'delivered' });
    });

    it('leaves alone what another relay may be delivering', async () => {
      await reopen(true);
      recover({ lastError: 'interrupted', at: 1 });
      commit([
        ['insert', event],
        ['begin', { id: 'a', admission: 'x', queueDelayMs: 0, limit }],
      ]);
      const other = await another(true);
      other.recover({ lastError: 'interrupted', at: 1 });
      other.close();
      expect(find('a')).toMatchObject({ status: 'delivering', lastError: null });
    });
  });
});
