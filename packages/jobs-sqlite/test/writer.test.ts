import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { QueueFullError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectFile, type Database } from '../src/binding.ts';
import { Writer } from '../src/writer.ts';
import { temporaryFiles } from './folder.ts';

const newFile = temporaryFiles();
let db: Database;
let other: Database;
let writer: Writer;
let commits: number;

beforeEach(async () => {
  const file = newFile();
  mkdirSync(dirname(file), { recursive: true });
  db = await connectFile(file);
  other = await connectFile(file);
  for (const one of [db, other]) one.exec('PRAGMA busy_timeout = 0');
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('CREATE TABLE t (n INTEGER UNIQUE)');
  commits = 0;
  writer = new Writer({
    prepare: (sql) => db.prepare(sql),
    close: () => db.close(),
    exec: (sql) => {
      db.exec(sql);
      if (sql === 'COMMIT') commits += 1;
    },
  });
});
afterEach(() => {
  writer.close();
  db.close();
  other.close();
});

const insert = (n: number, signal?: AbortSignal): Promise<number> =>
  writer.run(() => {
    db.prepare('INSERT INTO t VALUES (?)').run(n);
    return n;
  }, signal);
const stored = (): unknown[] =>
  other
    .prepare('SELECT n FROM t ORDER BY n')
    .all()
    .map(({ n }) => n);

describe('Writer', () => {
  it('commits what comes up in one turn together', async () => {
    expect(await Promise.all([1, 2, 3].map((n) => insert(n)))).toEqual([1, 2, 3]);
    expect([stored(), commits]).toEqual([[1, 2, 3], 1]);
  });

  it('commits a great deal in batches', async () => {
    await Promise.all(Array.from({ length: 600 }, (_, n) => insert(n)));
    expect([stored().length, commits]).toEqual([600, 3]);
  });

  it('undoes what fails, and only that', async () => {
    const results = await Promise.allSettled([
      insert(1),
      writer.run(() => {
        db.prepare('INSERT INTO t VALUES (?)').run(100);
        db.prepare('INSERT INTO t VALUES (?)').run(100);
      }),
      insert(2),
      writer.run(() => {
        throw new TypeError('mine');
      }),
      insert(3),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(results[3]).toMatchObject({ reason: new TypeError('mine') });
    expect(stored()).toEqual([1, 2, 3]);
  });

  it('undoes nothing for a refusal', async () => {
    const results = await Promise.allSettled([
      insert(1),
      writer.run(() => {
        throw new QueueFullError('q', 1);
      }),
      insert(2),
    ]);
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { code: 'QUEUE_FULL' } });
    expect([stored(), commits]).toEqual([[1, 2], 1]);
  });

  it('waits while another process has the lock, without blocking this one, and keeps the order', async () => {
    other.exec('BEGIN IMMEDIATE');
    const done: number[] = [];
    const writes = [1, 2, 3].map(async (n) => done.push(await insert(n)));
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    clearInterval(timer);
    expect(done).toEqual([]);
    expect(turns).toBeGreaterThan(5);
    other.exec('COMMIT');
    await Promise.all(writes);
    expect(done).toEqual([1, 2, 3]);
  });

  it('does not do what its caller no longer waits for', async () => {
    const controller = new AbortController();
    const left = insert(1, controller.signal);
    const stays = insert(2);
    controller.abort('left');
    await expect(left).rejects.toBe('left');
    await stays;
    expect(stored()).toEqual([2]);
  });

  it('commits at its close what it was given before, and takes nothing after', async () => {
    const given = insert(1);
    writer.close();
    await given;
    expect(stored()).toEqual([1]);
    await expect(insert(2)).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  });

  it('rejects at its close what it cannot commit now', async () => {
    other.exec('BEGIN IMMEDIATE');
    const given = insert(1);
    writer.close();
    await expect(given).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    other.exec('COMMIT');
    expect(stored()).toEqual([]);
  });

  it('calls the engine unavailable where the disk has no room', async () => {
    db.exec('PRAGMA max_page_count = 3');
    const write = writer.run(() => {
      db.exec('CREATE TABLE wide (text TEXT)');
      for (let n = 0; n < 100; n += 1) db.prepare('INSERT INTO wide VALUES (?)').run('x'.repeat(4_000));
    });
    await expect(write).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    expect(stored()).toEqual([]);
  });
});
