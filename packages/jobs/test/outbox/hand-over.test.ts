/** Whatever the queue and the database answer: no row is lost, and none is deleted that the queue does not have. */
import { JobQueue, PayloadTooLargeError, QueueFullError, type EnqueueResult } from '@holdfast/core';
import * as fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { HandOver } from '../../src/outbox/hand-over.ts';
import type { OutboxRow } from '../../src/outbox/outbox-row.ts';
import type { HeldRows } from '../../src/outbox/outbox-table.ts';

function rowOf(seq: number, body: string): OutboxRow {
  return {
    seq: String(seq),
    id: `id-${seq}`,
    body,
    headers: '{}',
    delayMs: 0,
    priority: 'normal',
    maxRetries: null,
    ageMs: 0,
  };
}

/** A table in memory whose answers may get lost, and whose rows come back then. */
class FakeTable {
  readonly rows = new Map<string, OutboxRow>();
  readonly setAside = new Set<string>();
  #held = false;

  take(limit: number, fails: boolean): HeldRows | undefined {
    const rows = [...this.rows.values()].filter(({ seq }) => !this.setAside.has(seq)).slice(0, limit);
    if (rows.length === 0) return undefined;
    expect(this.#held).toBe(false);
    this.#held = true;
    return {
      rows,
      settle: async (forwarded, refused) => {
        this.#held = false;
        if (fails) throw new Error('the database is gone');
        for (const { seq } of forwarded) this.rows.delete(seq);
        for (const { row } of refused) this.setAside.add(row.seq);
      },
    };
  }
}

it('loses no row, deletes none that the queue does not have, and keeps the order', async () => {
  const answer = fc.constantFrom<'takes' | 'full' | 'lost'>('takes', 'takes', 'takes', 'full', 'lost');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('1', '2', '"too large"', 'no JSON'), { maxLength: 20 }),
      fc.array(answer, { maxLength: 60 }),
      fc.array(fc.boolean(), { maxLength: 20 }),
      fc.integer({ min: 1, max: 6 }),
      async (bodies, answers, failures, batchSize) => {
        const table = new FakeTable();
        for (const [seq, body] of bodies.entries()) table.rows.set(String(seq), rowOf(seq, body));
        const taken: string[] = [];
        const queue = new JobQueue<unknown>({ name: 'q', url: 'memory:' });
        queue.enqueueMany = async (jobs): Promise<readonly EnqueueResult[]> => {
          if (jobs.some(({ payload }) => payload === 'too large')) throw new PayloadTooLargeError(2, 1);
          const said = answers.shift() ?? 'takes';
          if (said === 'full') throw new QueueFullError('q', 1);
          const results = jobs.map(({ id = '' }): EnqueueResult => {
            const status = taken.includes(id) ? 'duplicate' : 'enqueued';
            if (status === 'enqueued') taken.push(id);
            return { status, id };
          });
          // taken, and nobody hears of it
          if (said === 'lost') throw new Error('the connection is gone');
          return results;
        };
        const handOver = new HandOver<unknown>(queue, 1_000, new AbortController().signal);
        for (let turns = 0; ; turns += 1) {
          expect(turns).toBeLessThan(200);
          const held = table.take(batchSize, failures.shift() ?? false);
          if (held === undefined) break;
          await handOver.run(held, () => {}).catch(() => {});
          for (const seq of bodies.keys())
            if (!table.rows.has(String(seq))) expect(taken).toContain(`id-${seq}`);
        }
        const good = [...bodies.entries()]
          .filter(([, body]) => /^\d$/.test(body))
          .map(([seq]) => `id-${seq}`);
        expect(taken).toEqual(good);
        expect(table.rows.size).toBe(bodies.length - good.length);
      },
    ),
    { numRuns: 300 },
  );
});

it('holds rows no longer than the queue may take for them, however many go one by one', async () => {
  vi.useFakeTimers();
  const queue = new JobQueue<unknown>({ name: 'q', url: 'memory:' });
  queue.enqueueMany = async (jobs): Promise<readonly EnqueueResult[]> => {
    if (jobs.some(({ payload }) => payload === 'too large')) throw new PayloadTooLargeError(2, 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return jobs.map(({ id = '' }): EnqueueResult => ({ status: 'enqueued', id }));
  };
  const table = new FakeTable();
  for (let seq = 0; seq < 20; seq += 1)
    table.rows.set(String(seq), rowOf(seq, seq === 2 ? '"too large"' : '1'));
  const handOver = new HandOver<unknown>(queue, 1_000, new AbortController().signal);
  const counts: number[] = [];
  for (let held = table.take(10, false); held !== undefined; held = table.take(10, false)) {
    const begun = Date.now();
    const run = handOver.run(held, () => {});
    await vi.runAllTimersAsync();
    counts.push(await run);
    expect(Date.now() - begun).toBeLessThanOrEqual(1_300);
  }
  expect(counts).toEqual([4, 10, 5]);
  expect(handOver.forwarded).toBe(19);
  expect([...table.setAside]).toEqual(['2']);
  vi.useRealTimers();
});
