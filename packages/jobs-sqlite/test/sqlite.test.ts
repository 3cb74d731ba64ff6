/** What is SQLite's own; what it has in common with every engine is in the conformance suite. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { JobQueue } from '@holdfast/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sqlite } from '../src/index.ts';
import { connectFile, type Database } from '../src/binding.ts';
import { temporaryFiles } from './folder.ts';

const newFile = temporaryFiles();
const queues: JobQueue<unknown>[] = [];

function queueOn<T>(file: string, options: object = {}): JobQueue<T> {
  const queue = new JobQueue<T>({ name: 'q', url: `sqlite:${file}`, engines: [sqlite], ...options });
  queues.push(queue);
  return queue;
}

async function rawly(file: string): Promise<Database> {
  mkdirSync(dirname(file), { recursive: true });
  return connectFile(file);
}

afterEach(async () => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  for (const queue of queues.splice(0)) {
    queue.cancel();
    await queue[Symbol.asyncDispose]();
  }
});

describe('sqlite', () => {
  it('does nothing before it is opened, and makes the folder then', async () => {
    const file = newFile();
    const queue = queueOn(file);
    expect(() => readFileSync(file)).toThrow('ENOENT');
    await queue.open();
    await queue.open();
    expect(readFileSync(file).subarray(0, 15).toString()).toBe('SQLite format 3');
  });

  it('says what a loss of power costs', () => {
    expect(queueOn(newFile()).capabilities).toMatchObject({ reach: 'host', durability: 'process-crash' });
    expect(queueOn(`${newFile()}?synchronous=full`).capabilities).toMatchObject({ durability: 'power-loss' });
  });

  it('names its queues, those of other processes included', async () => {
    const file = newFile();
    await queueOn(file, { name: 'mails' }).enqueue('a');
    await queueOn(file, { name: 'audits' }).enqueue('b');
    const driver = sqlite.connect(new URL(`sqlite:${file}`));
    await driver.open({});
    await expect(driver.queues?.()).resolves.toEqual(['audits', 'mails']);
    await driver.close();
    await expect(driver.queues?.()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  });

  it('flushes each commit to disk where it is told to', async () => {
    const queue = queueOn<number>(`${newFile()}?synchronous=full`);
    const seen: number[] = [];
    queue.consume((n) => void seen.push(n));
    await Promise.all([1, 2, 3].map((n) => queue.enqueue(n)));
    await expect.poll(() => seen).toEqual([1, 2, 3]);
  });

  it('shares a file with the tables of an application', async () => {
    const file = newFile();
    const db = await rawly(file);
    db.exec('CREATE TABLE jobs (mine TEXT); PRAGMA user_version = 7');
    const queue = queueOn(file);
    await queue.enqueue(1);
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 7 });
    expect(db.prepare('SELECT count(*) AS n FROM jobs').get()).toEqual({ n: 0 });
    db.close();
  });

  it('counts on when somebody deletes rows by hand', async () => {
    const file = newFile();
    const queue = queueOn<number>(file, { maxDepth: 2 });
    await queue.enqueueMany([
      { payload: 1, id: 'a' },
      { payload: 2, id: 'b' },
    ]);
    await expect(queue.enqueue(3, { maxWaitMs: 0 })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    const db = await rawly(file);
    db.exec("DELETE FROM holdfast_jobs WHERE id = 'a'");
    db.close();
    await queue.enqueue(3, { maxWaitMs: 0 });
  });

  it('refuses tables of a version it does not know', async () => {
    const file = newFile();
    const before = queueOn(file);
    await before.open();
    const db = await rawly(file);
    db.exec('UPDATE holdfast_schema SET version = 2');
    db.close();
    await expect(queueOn(file).open()).rejects.toMatchObject({ code: 'UNSAFE_ENGINE' });
  });

  it('calls a file that is no database, and a folder that cannot be made, unavailable', async () => {
    const file = newFile();
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, 'x'.repeat(5_000));
    await expect(queueOn(file).open()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    await expect(queueOn(`${file}/below/jobs.db`).open()).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
    });
  });

  it('opens one file from many objects at once', async () => {
    const file = newFile();
    await Promise.all(Array.from({ length: 8 }, () => queueOn(file).open()));
    expect(queues).toHaveLength(8);
  });

  it('opens and works while another process holds the lock for a moment', async () => {
    const file = newFile();
    await queueOn(file).open();
    const db = await rawly(file);
    db.exec('BEGIN IMMEDIATE');
    const late = queueOn<number>(file);
    const enqueued = late.enqueue(1);
    setTimeout(() => db.exec('COMMIT'), 150);
    expect(await enqueued).toMatchObject({ status: 'enqueued' });
    db.close();
  });

  it('gives up enqueueing when the lock is held too long, and enqueues nothing then', async () => {
    const file = newFile();
    const queue = queueOn<number>(file);
    await queue.open();
    await queue.stats();
    const db = await rawly(file);
    db.exec('BEGIN IMMEDIATE');
    await expect(queue.enqueue(1, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'ENQUEUE_TIMEOUT' });
    db.exec('COMMIT');
    db.close();
    await queue.enqueue(2);
    expect(await queue.stats()).toMatchObject({ depth: 1 });
  });

  it('keeps the order when the clock is set back', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const file = newFile();
    vi.setSystemTime('2026-06-01T12:00:00Z');
    await queueOn<string>(file).enqueue('first');
    vi.setSystemTime('2026-06-01T11:00:00Z');
    await queueOn<string>(file).enqueue('second');
    const seen: string[] = [];
    queueOn<string>(file).consume((payload) => void seen.push(payload));
    await expect.poll(() => seen).toEqual(['first', 'second']);
  });

  it('never lets an old worker settle a job that has come to life again', async () => {
    const file = newFile();
    const queue = queueOn<string>(file, { retry: { maxRetries: 0 } });
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const loop = queue.consume(() => {
      throw new Error('x');
    });
    await queue.enqueue('a', { id: 'a' });
    await expect.poll(() => queue.deadLetters.list()).toHaveLength(1);
    await loop.stop();
    const db = await rawly(file);
    const before = db.prepare('SELECT seq FROM holdfast_jobs').get();
    await queue.deadLetters.requeue('a');
    const after = db.prepare('SELECT seq FROM holdfast_jobs').get();
    expect(after).not.toEqual(before);
    db.close();
    expect(said).toHaveBeenCalledOnce();
  });

  it('asks the database by index alone', async () => {
    const file = newFile();
    await queueOn(file).open();
    await queueOn(file).enqueue(1);
    const db = await rawly(file);
    const plan = (sql: string): string =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => String(detail))
        .join('\n');
    const { JOB_SQL } = await import('../src/job-sql.ts');
    for (const [name, sql] of Object.entries(JOB_SQL)) {
      expect(plan(sql), name).not.toMatch(/SCAN holdfast_jobs/u);
      expect(plan(sql), name).not.toMatch(/TEMP B-TREE/u);
    }
    db.close();
  });
});
