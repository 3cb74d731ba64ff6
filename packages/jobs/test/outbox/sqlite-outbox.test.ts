import { JobQueue, type EnqueueResult } from '@holdfast/core';
import { sqlite } from '@holdfast/jobs-sqlite';
import { describe, expect, it } from 'vitest';
import { SqliteOutbox } from '../../src/index.ts';
import { connectFile } from '../../../jobs-sqlite/src/binding.ts';
import { temporaryFiles } from '../folder.ts';
import { connections } from '../sqlite.ts';
import { killedForwarders } from './killed.ts';
import { outboxContract, type OutboxUnderTest } from './outbox-contract.ts';

const newFile = temporaryFiles();
const connect = connections();

/** An outbox whose forwarder reads with a connection of its own, or with that of the application. */
async function fresh(shared: boolean, file = newFile()): Promise<OutboxUnderTest> {
  const db = connect(file);
  const outbox = new SqliteOutbox<unknown>({ name: 'mails' });
  await outbox.migrate(db);
  return {
    async write(entries, end = 'COMMIT') {
      const results: EnqueueResult[] = [];
      db.exec('BEGIN IMMEDIATE');
      try {
        for (const { payload, options } of entries) {
          results.push(outbox.enqueue(db, payload, options));
          // an application that awaits within its transaction
          if (shared) await new Promise((resolve) => setImmediate(resolve));
        }
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
      db.exec(end);
      return results;
    },
    writeMany: async (jobs) => outbox.enqueueMany(db, jobs),
    forward: (queue, options) => outbox.forward(queue, { db: shared ? db : connect(file), ...options }),
    restore: () => outbox.restore(db),
    rows: async () => Number(Object(db.prepare('SELECT count(*) AS n FROM holdfast_outbox').get()).n),
    sql: async (text) => db.exec(text),
  };
}

describe('SqliteOutbox', () => {
  describe('on a connection of its own', () => {
    outboxContract(() => fresh(false));
  });
  describe('on the connection of the application', () => {
    outboxContract(() => fresh(true));
  });

  killedForwarders(
    async () => {
      const file = newFile();
      const { write, rows } = await fresh(false, file);
      return {
        database: { file },
        write: async (payload) => void (await write([{ payload }])),
        rows,
      };
    },
    () => `sqlite:${newFile()}`,
  );

  it('hands a row over again when the lease of a forwarder that died has ended', async () => {
    const file = newFile();
    const db = connect(file);
    const outbox = new SqliteOutbox<string>({ name: 'mails' });
    await outbox.migrate(db);
    outbox.enqueue(db, 'held');
    db.prepare('UPDATE holdfast_outbox SET held_until = ?').run(Date.now() + 200);
    const queue = new JobQueue<string>({ name: 'mails', url: 'memory:' });
    const seen: string[] = [];
    queue.consume((payload) => void seen.push(payload));
    const forwarder = outbox.forward(queue, { db, pollMs: 20 });
    outbox.enqueue(db, 'free');
    await expect.poll(() => seen).toEqual(['free', 'held']);
    await forwarder[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  it('looks at once for what this process has written', async () => {
    const db = connect(newFile());
    const outbox = new SqliteOutbox<string>({ name: 'mails' });
    await outbox.migrate(db);
    const queue = new JobQueue<string>({ name: 'mails', url: 'memory:' });
    const seen: string[] = [];
    queue.consume((payload) => void seen.push(payload));
    const forwarder = outbox.forward(queue, { db, pollMs: 2_000_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    outbox.enqueue(db, 'now');
    await expect.poll(() => seen).toEqual(['now']);
    await forwarder[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  it('feeds a queue that is in the same file', async () => {
    const file = newFile();
    // the SQLite that the queue uses: two of them in one process break each other's locks
    const db = await connectFile(file);
    const outbox = new SqliteOutbox<number>({ name: 'mails' });
    await outbox.migrate(db);
    const queue = new JobQueue<number>({ name: 'mails', url: `sqlite:${file}`, engines: [sqlite] });
    const seen: number[] = [];
    queue.consume((n) => void seen.push(n));
    const forwarder = outbox.forward(queue, { db });
    for (let n = 0; n < 50; n += 1) {
      db.exec('BEGIN IMMEDIATE');
      outbox.enqueue(db, n);
      await new Promise((resolve) => setImmediate(resolve));
      db.exec('COMMIT');
    }
    await expect.poll(() => seen).toEqual(Array.from({ length: 50 }, (_, n) => n));
    await forwarder[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
    db.close();
  });

  it('keeps outboxes of one file apart', async () => {
    const db = connect(newFile());
    const [a, b] = ['a', 'b'].map((name) => new SqliteOutbox<string>({ name }));
    await a?.migrate(db);
    await b?.migrate(db);
    a?.enqueue(db, 'for a', { id: 'same' });
    b?.enqueue(db, 'for b', { id: 'same' });
    const queue = new JobQueue<string>({ name: 'mails', url: 'memory:' });
    const forwarder = b?.forward(queue, { db });
    await expect.poll(() => queue.stats()).toMatchObject({ waiting: 1 });
    expect(db.prepare('SELECT outbox FROM holdfast_outbox').all()).toEqual([{ outbox: 'a' }]);
    await forwarder?.[Symbol.asyncDispose]();
    queue.consume(() => {});
    await queue[Symbol.asyncDispose]();
  });
});
