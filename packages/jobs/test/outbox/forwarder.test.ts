/** The loop of a forwarder, before a table that says what the test wants. */
import { JobQueue, QueueFullError, subscribe } from '@holdfast/core';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { forwardSettings } from '../../src/outbox/forward-options.ts';
import { startForwarder, type OutboxForwarder } from '../../src/outbox/forwarder.ts';
import type { OutboxRow } from '../../src/outbox/outbox-row.ts';
import type { HeldRows, OutboxTable } from '../../src/outbox/outbox-table.ts';

const row: OutboxRow = {
  seq: '1',
  id: 'id',
  body: '1',
  headers: '{}',
  delayMs: 0,
  priority: 'normal',
  maxRetries: null,
  ageMs: 0,
};

let queue: JobQueue<unknown>;
let quiet: Disposable;

beforeEach(() => {
  vi.useFakeTimers();
  queue = new JobQueue<unknown>({ name: 'mails', url: 'memory:' });
  quiet = subscribe(() => {});
});
afterEach(() => {
  quiet[Symbol.dispose]();
  vi.useRealTimers();
});

function start(table: Partial<OutboxTable>): OutboxForwarder {
  const nothing = { depth: 0, setAside: 0, oldestAgeMs: 0 };
  const whole = { take: async () => undefined, counts: async () => nothing, ...table };
  return startForwarder(queue, whole, forwardSettings(queue, {}, 'mails', 1_000), () => {});
}

it('pauses after a failure however often it is woken, and goes on then', async () => {
  let takes = 0;
  let full = true;
  let handedOver = false;
  queue.enqueueMany = async () => {
    if (full) throw new QueueFullError('mails', 1);
    handedOver = true;
    return [{ status: 'enqueued', id: 'id' }];
  };
  const take = async (): Promise<HeldRows | undefined> => {
    takes += 1;
    if (handedOver) return undefined;
    return { rows: [row], settle: async () => {} };
  };
  const forwarder = start({ take });
  for (let ms = 0; ms < 1_000; ms += 1) {
    forwarder.wake();
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(takes).toBeLessThan(8);
  full = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(takes).toBeGreaterThan(8);
  expect(await forwarder.health()).toEqual({ status: 'up' });
  await forwarder[Symbol.asyncDispose]();
  expect(vi.getTimerCount()).toBe(0);
});

it('ends its pause when it is closed', async () => {
  const forwarder = start({ take: () => Promise.reject(new Error('down')) });
  await vi.advanceTimersByTimeAsync(60_000);
  await forwarder[Symbol.asyncDispose]();
  expect(vi.getTimerCount()).toBe(0);
});

it('is disposed of although its database does not answer, and gives back what comes then', async () => {
  let answer = (_held: HeldRows): void => {};
  const enqueued = vi.spyOn(queue, 'enqueueMany');
  const forwarder = start({ take: () => new Promise((resolve) => (answer = resolve)) });
  await vi.advanceTimersByTimeAsync(10);
  const disposed = forwarder[Symbol.asyncDispose]();
  await vi.advanceTimersByTimeAsync(2_000);
  await disposed;
  expect(vi.getTimerCount()).toBe(0);
  const settle = vi.fn<HeldRows['settle']>(async () => {});
  answer({ rows: [row], settle });
  await vi.advanceTimersByTimeAsync(0);
  expect(settle).toHaveBeenCalledExactlyOnceWith([], []);
  expect(enqueued).not.toHaveBeenCalled();
});

it('asks a database that does not answer once, however often its health is wanted', async () => {
  const counts = vi.fn<OutboxTable['counts']>(() => new Promise(() => {}));
  const forwarder = start({ counts });
  const asked = Array.from({ length: 10 }, () => forwarder.health());
  await vi.advanceTimersByTimeAsync(5_000);
  for (const health of await Promise.all(asked)) expect(health.status).toBe('down');
  void forwarder.health();
  expect(counts).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(5_000);
  await forwarder[Symbol.asyncDispose]();
});
