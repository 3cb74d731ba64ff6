import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { commit, recover, setup, type StoreCall, type StoredEvent } from '../src/store.sync.ts';

const event = { id: 'a', url: 'http://x/', payload: '{"n":1}', at: 1_000 };
let directory: string;
let close: () => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'relay-store-'));
  close = await setup({ directory: join(directory, 'made', 'by', 'setup') });
});

afterEach(() => {
  close();
  rmSync(directory, { recursive: true, force: true });
});

async function reopen(): Promise<void> {
  close();
  close = await setup({ directory: join(directory, 'made', 'by', 'setup') });
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
    expect(one('begin', { id: 'a', queueDelayMs: 7.4 })).toEqual({ attempt: 1, payload: '{"n":1}' });
    expect(find('a')).toMatchObject({ status: 'delivering', attempts: 1, queueDelayMs: 7, lastError: null });
    one('end', { id: 'a', status: 'queued', lastError: 'HTTP 503' });
    expect(find('a')).toMatchObject({ status: 'queued', lastError: 'HTTP 503' });
    expect(one('begin', { id: 'a', queueDelayMs: 99 })).toMatchObject({ attempt: 2 });
    one('end', { id: 'a', status: 'delivered' });
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
      ['end', { id: 'a', status: 'delivered' }],
      ['end', { id: 'b', status: 'failed', lastError: 'HTTP 410' }],
      ['remove', 'c'],
    ]);
    for (const id of ['a', 'b', 'c', 'd']) expect(one('begin', { id, queueDelayMs: 0 })).toBeUndefined();
    expect(find('a')?.attempts).toBe(0);
  });

  it('counts events by status through every change and over restarts', async () => {
    commit(['a', 'b', 'c', 'd', 'e'].map((id) => ['insert', { ...event, id }]));
    commit([
      ['begin', { id: 'a', queueDelayMs: 0 }],
      ['begin', { id: 'b', queueDelayMs: 0 }],
      ['end', { id: 'b', status: 'delivered' }],
      ['end', { id: 'c', status: 'failed', lastError: 'x' }],
      ['remove', 'd'],
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
        ['remove', 'a'],
        ['insert', event],
        ['find', 'a'],
      ]),
    ).toEqual([
      undefined,
      expect.objectContaining({ id: 'a' }),
      undefined,
      undefined,
      expect.objectContaining({ id: 'a', status: 'queued' }),
    ]);
  });

  it('does all of a batch or nothing', () => {
    const nothing = null as unknown as 'failed';
    expect(() =>
      commit([
        ['insert', event],
        ['end', { id: 'a', status: nothing }],
      ]),
    ).toThrow('NOT NULL constraint failed: events.status');
    expect(find('a')).toBeUndefined();
    expect(one('counts', undefined)).toMatchObject({ queued: 0 });
    one('insert', event);
    expect(find('a')).toBeDefined();
  });

  it('hands out the backlog in pages, in the order of acceptance', () => {
    commit(Array.from({ length: 1_200 }, (_, n) => ['insert', { ...event, id: `e${n}`, at: n }]));
    one('end', { id: 'e3', status: 'delivered' });
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
    recover({ maxAttempts: 10, lastError: 'interrupted', at: 3 });
    recover({ maxAttempts: 10, lastError: 'interrupted', at: 4 });
    const database = new DatabaseSync(join(directory, 'made', 'by', 'setup', 'relay.db'));
    const trail = database.prepare('SELECT id, acceptedAt FROM audit ORDER BY id').all();
    database.close();
    expect(trail.map((entry) => ({ ...entry }))).toEqual([
      { id: 'a', acceptedAt: 1 },
      { id: 'b', acceptedAt: 3 },
    ]);
  });

  it('queues what a dead process was delivering, and fails what had no attempt left', () => {
    commit([
      ['insert', event],
      ['insert', { ...event, id: 'b' }],
    ]);
    commit([
      ['begin', { id: 'a', queueDelayMs: 0 }],
      ['begin', { id: 'b', queueDelayMs: 0 }],
      ['begin', { id: 'b', queueDelayMs: 0 }],
    ]);
    recover({ maxAttempts: 2, lastError: 'interrupted', at: 5 });
    expect(find('a')).toMatchObject({
      status: 'queued',
      attempts: 1,
      lastError: 'interrupted',
    });
    expect(find('b')).toMatchObject({
      status: 'failed',
      attempts: 2,
      lastError: 'interrupted',
    });
  });

  it('lets nobody else into its directory', async () => {
    vi.resetModules();
    const another = await import('../src/store.sync.ts');
    const opening = another.setup({ directory: join(directory, 'made', 'by', 'setup') });
    await expect(opening).rejects.toThrow(/in use by another relay$/);
  });

  it('leaves all of it in the main file when it is closed', () => {
    one('insert', event);
    close();
    const log = join(directory, 'made', 'by', 'setup', 'relay.db-wal');
    expect(existsSync(log) ? statSync(log).size : 0).toBe(0);
    expect(() => commit([])).toThrow('the store is closed');
  });
});
