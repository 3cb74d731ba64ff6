/** What an outbox does, whatever its database. */
import {
  JobQueue,
  Service,
  subscribe,
  type EnqueueResult,
  type HoldfastEvent,
  type JobContext,
  type JobInput,
  type JobOptions,
  type JobQueueOptions,
} from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ForwardOptions, OutboxForwarder } from '../../src/index.ts';

/** One job to be written. */
export interface Entry {
  readonly payload: unknown;
  readonly options?: JobOptions | undefined;
}

/** An outbox with nothing in it. */
export interface OutboxUnderTest {
  /** Writes within one transaction, and ends it. */
  readonly write: (
    entries: readonly Entry[],
    end?: 'COMMIT' | 'ROLLBACK',
  ) => Promise<readonly EnqueueResult[]>;
  /** Writes by one call, within one transaction that is committed. */
  readonly writeMany: (jobs: readonly JobInput<unknown>[]) => Promise<readonly EnqueueResult[]>;
  forward(queue: JobQueue<unknown>, options?: ForwardOptions): OutboxForwarder;
  restore(): Promise<number>;
  /** How many rows there are. */
  readonly rows: () => Promise<number>;
  /** Runs SQL that both databases understand. */
  sql(text: string): Promise<void>;
}

/** Declares the tests. */
export function outboxContract(fresh: () => Promise<OutboxUnderTest>): void {
  let outbox: OutboxUnderTest;
  let events: HoldfastEvent[];
  const open: AsyncDisposable[] = [];

  beforeEach(async () => {
    outbox = await fresh();
    events = [];
    const unsubscribe = subscribe((event) => void events.push(event));
    open.push({ [Symbol.asyncDispose]: async () => unsubscribe[Symbol.dispose]() });
  });
  afterEach(async () => {
    for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  });

  function queueOf(options: Partial<JobQueueOptions> = {}): JobQueue<unknown> {
    const queue = new JobQueue<unknown>({ name: 'mails', url: 'memory:', ...options });
    open.push({
      [Symbol.asyncDispose]: async () => {
        queue.cancel();
        await queue[Symbol.asyncDispose]();
      },
    });
    return queue;
  }

  function forward(queue: JobQueue<unknown>, options: ForwardOptions = {}): OutboxForwarder {
    const forwarder = outbox.forward(queue, { pollMs: 20, ...options });
    open.push(forwarder);
    return forwarder;
  }

  function collect(queue: JobQueue<unknown>): { readonly payload: unknown; readonly ctx: JobContext }[] {
    const seen: { readonly payload: unknown; readonly ctx: JobContext }[] = [];
    queue.consume((payload, ctx) => void seen.push({ payload, ctx }));
    return seen;
  }

  describe('a transaction', () => {
    it('brings its jobs to the queue once it is committed', async () => {
      const queue = queueOf();
      const seen = collect(queue);
      forward(queue);
      const [result] = await outbox.write([{ payload: { to: 'ada' }, options: { id: 'welcome' } }]);
      expect(result).toEqual({ status: 'enqueued', id: 'welcome' });
      await expect
        .poll(() => seen.map(({ payload, ctx }) => [payload, ctx.id]))
        .toEqual([[{ to: 'ada' }, 'welcome']]);
      await expect.poll(() => outbox.rows()).toBe(0);
    });

    it('leaves nothing when it is rolled back', async () => {
      const queue = queueOf();
      const seen = collect(queue);
      forward(queue);
      await outbox.write([{ payload: 'no' }, { payload: 'no' }], 'ROLLBACK');
      await outbox.write([{ payload: 'yes' }]);
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual(['yes']);
      await expect.poll(() => outbox.rows()).toBe(0);
    });

    it('is told of a job that is on its way already', async () => {
      await outbox.write([{ payload: 1, options: { id: 'a' } }]);
      expect(
        await outbox.write([
          { payload: 2, options: { id: 'a' } },
          { payload: 3, options: { id: 'b' } },
        ]),
      ).toEqual([
        { status: 'duplicate', id: 'a' },
        { status: 'enqueued', id: 'b' },
      ]);
      const seen = collect(forwardingTo(queueOf()));
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual([1, 3]);
    });

    it('takes many jobs at once, in their order', async () => {
      await outbox.write([{ payload: 'before', options: { id: 'b' } }]);
      const jobs = [
        { payload: 1, id: 'a', headers: { trace: 'x' } },
        { payload: 2, id: 'b' },
        { payload: 3, id: 'a' },
        ...Array.from({ length: 50 }, (_, n) => ({ payload: n + 4, maxRetries: n === 0 ? 0 : undefined })),
      ];
      const results = await outbox.writeMany(jobs);
      expect(results.slice(0, 3)).toEqual([
        { status: 'enqueued', id: 'a' },
        { status: 'duplicate', id: 'b' },
        { status: 'duplicate', id: 'a' },
      ]);
      expect(new Set(results.map(({ id }) => id)).size).toBe(52);
      expect(await outbox.writeMany([])).toEqual([]);
      const seen = collect(forwardingTo(queueOf({ retry: { maxRetries: 2 } })));
      await expect
        .poll(() => seen.map(({ payload }) => payload))
        .toEqual(['before', 1, ...Array.from({ length: 50 }, (_, n) => n + 4)]);
      expect(seen[1]?.ctx.headers).toEqual({ trace: 'x' });
      expect(seen.slice(2, 4).map(({ ctx }) => ctx.maxRetries)).toEqual([0, 2]);
    });

    it('takes all of many jobs or none', async () => {
      await expect(outbox.writeMany([{ payload: 1 }, { payload: { at: new Date() } }])).rejects.toMatchObject(
        {
          code: 'PAYLOAD_INVALID',
          path: 'jobs[1].payload.at',
        },
      );
      await expect(outbox.writeMany({} as JobInput<unknown>[])).rejects.toThrow('jobs must be an array');
      expect(await outbox.rows()).toBe(0);
    });

    it('gives each job an id of its own where none is given', async () => {
      const [a, b] = await outbox.write([{ payload: 1 }, { payload: 1 }]);
      expect(a?.id).toMatch(/^[\da-f-]{36}$/);
      expect(b?.id).not.toBe(a?.id);
    });

    it.each<[string, Entry]>([
      ['PAYLOAD_INVALID', { payload: { when: new Date() } }],
      ['PAYLOAD_INVALID', { payload: undefined }],
      ['PAYLOAD_TOO_LARGE', { payload: 'x'.repeat(2_000_000) }],
      ['ERR_OUT_OF_RANGE', { payload: 1, options: { delayMs: -1 } }],
      ['ERR_OUT_OF_RANGE', { payload: 1, options: { id: '' } }],
      ['ERR_INVALID_ARG_TYPE', { payload: 1, options: { headers: { a: 1 as unknown as string } } }],
      ['ERR_OUT_OF_RANGE', { payload: 1, options: { priority: 'urgent' as 'high' } }],
      ['ERR_OUT_OF_RANGE', { payload: 1, options: { id: 'a\0b' } }],
      ['ERR_OUT_OF_RANGE', { payload: 1, options: { id: 'a\uD800' } }],
    ])('hears %s before anything is written', async (code, entry) => {
      await expect(outbox.write([entry])).rejects.toMatchObject({ code });
      expect(await outbox.rows()).toBe(0);
    });
  });

  function forwardingTo(queue: JobQueue<unknown>): JobQueue<unknown> {
    forward(queue);
    return queue;
  }

  describe('a job', () => {
    it('keeps what was said of it', async () => {
      const headers = { traceparent: '00-1-2-03' };
      await outbox.write([{ payload: ['ü', null, 0.1], options: { headers, maxRetries: 7 } }]);
      await outbox.write([{ payload: 2, options: { maxRetries: Infinity } }]);
      await outbox.write([{ payload: 3 }]);
      const seen = collect(forwardingTo(queueOf({ retry: { maxRetries: 2 } })));
      await expect.poll(() => seen.length).toBe(3);
      expect(seen[0]).toMatchObject({ payload: ['ü', null, 0.1], ctx: { headers, maxRetries: 7 } });
      expect(seen.map(({ ctx }) => ctx.maxRetries)).toEqual([7, Infinity, 2]);
    });

    it('waits for its delay, counted from when it was written', async () => {
      await outbox.write([{ payload: 'late', options: { delayMs: 60_000 } }]);
      await outbox.write([{ payload: 'due', options: { delayMs: 1 } }]);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const queue = queueOf();
      const seen = collect(queue);
      forward(queue);
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual(['due']);
      expect(await queue.stats()).toMatchObject({ delayed: 1 });
    });

    it('comes before others by its priority', async () => {
      await outbox.write([
        { payload: 'low', options: { priority: 'low' } },
        { payload: 'normal' },
        { payload: 'high', options: { priority: 'high' } },
      ]);
      const queue = queueOf();
      forward(queue);
      await expect.poll(() => queue.stats()).toMatchObject({ waiting: 3 });
      const seen = collect(queue);
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual(['high', 'normal', 'low']);
    });

    it('does not take the id of the job whose context it is given', async () => {
      const first = queueOf({ name: 'orders' });
      const results: EnqueueResult[] = [];
      first.consume(async (_payload, ctx) => {
        results.push(...(await outbox.write([{ payload: 'receipt', options: ctx }])));
      });
      await first.enqueue('order', { id: 'order-1', headers: { trace: 'a' } });
      await expect.poll(() => results.length).toBe(1);
      expect(results[0]?.id).not.toBe('order-1');
      const seen = collect(forwardingTo(queueOf()));
      await expect.poll(() => seen[0]?.ctx.headers).toEqual({ trace: 'a' });
    });
  });

  describe('a forwarder', () => {
    it('keeps the order of writing, over many batches', async () => {
      const numbers = Array.from({ length: 95 }, (_, index) => index);
      await outbox.write(numbers.map((payload) => ({ payload })));
      const queue = queueOf();
      const seen = collect(queue);
      const forwarder = forward(queue, { batchSize: 10 });
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual(numbers);
      await expect
        .poll(() => forwarder.stats())
        .toMatchObject({
          depth: 0,
          setAside: 0,
          forwarded: 95,
          duplicates: 0,
        });
    });

    it('shares the rows with others, and no row is handed over twice', async () => {
      const numbers = Array.from({ length: 200 }, (_, index) => index);
      const queue = queueOf();
      const seen = collect(queue);
      const forwarders = ['a', 'b', 'c'].map((name) => forward(queue, { name, batchSize: 7 }));
      for (let n = 0; n < 200; n += 20)
        await outbox.write(numbers.slice(n, n + 20).map((payload) => ({ payload })));
      await expect.poll(() => seen.length).toBe(200);
      expect(seen.map(({ payload }) => payload).toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
      await expect.poll(() => outbox.rows()).toBe(0);
      const stats = await Promise.all(forwarders.map((forwarder) => forwarder.stats()));
      expect(stats.reduce((sum, { forwarded }) => sum + Number(forwarded), 0)).toBe(200);
      expect(stats.every(({ duplicates }) => duplicates === 0)).toBe(true);
    });

    it('waits while the queue is full, says so, and loses nothing', async () => {
      const queue = queueOf({ maxDepth: 2, overflow: 'reject' });
      const forwarder = forward(queue, { batchSize: 2 });
      await outbox.write([1, 2, 3, 4, 5].map((payload) => ({ payload })));
      await expect
        .poll(() => forwarder.health())
        .toEqual({
          status: 'degraded',
          detail: 'rows cannot be handed over: Queue "mails" is full (capacity 2)',
        });
      expect(await outbox.rows()).toBe(3);
      expect(events.find(({ type }) => type === 'outbox.forward-failed')?.data).toMatchObject({
        error: { code: 'QUEUE_FULL' },
      });
      const seen = collect(queue);
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual([1, 2, 3, 4, 5]);
      await expect.poll(() => forwarder.health()).toEqual({ status: 'up' });
    });

    it('hands over what never fits together one by one', async () => {
      const queue = queueOf({ maxDepth: 2 });
      const seen = collect(queue);
      await outbox.write([1, 2, 3, 4, 5].map((payload) => ({ payload })));
      const forwarder = forward(queue);
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual([1, 2, 3, 4, 5]);
      expect(await forwarder.stats()).toMatchObject({ setAside: 0 });
    });

    it('sets aside what the queue can never take, goes on, and brings it back when told to', async () => {
      const small = queueOf({ maxPayloadBytes: 10 });
      const forwarder = forward(small);
      const seen = collect(small);
      await outbox.write(
        ['first', 'much too long', 'last'].map((payload) => ({ payload, options: { id: payload } })),
      );
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual(['first', 'last']);
      await expect
        .poll(() => forwarder.health())
        .toEqual({
          status: 'degraded',
          detail: 'rows set aside, which the queue cannot take: 1',
        });
      await expect
        .poll(() => forwarder.stats())
        .toMatchObject({ depth: 0, setAside: 1, forwarded: 2, refused: 1 });
      expect(events.find(({ type }) => type === 'outbox.set-aside')?.data).toMatchObject({
        id: 'much too long',
        error: { name: 'PayloadTooLargeError' },
      });
      await forwarder[Symbol.asyncDispose]();

      const large = collect(forwardingTo(queueOf()));
      expect(await outbox.restore()).toBe(1);
      await expect.poll(() => large.map(({ payload }) => payload)).toEqual(['much too long']);
    });

    it('sets aside a row that somebody else wrote and nobody can read', async () => {
      await outbox.sql(`UPDATE holdfast_outbox SET body = 'no JSON' WHERE id = 'nobody'`);
      await outbox.write([{ payload: 1, options: { id: 'broken' } }, { payload: 2 }]);
      await outbox.sql(`UPDATE holdfast_outbox SET body = '{' WHERE id = 'broken'`);
      const queue = queueOf();
      const seen = collect(queue);
      const forwarder = forward(queue);
      await expect.poll(() => seen.map(({ payload }) => payload)).toEqual([2]);
      await expect.poll(() => forwarder.stats()).toMatchObject({ setAside: 1 });
    });

    it('says how old the oldest row is, and is degraded when it is too old', async () => {
      await outbox.write([{ payload: 1 }]);
      const queue = queueOf();
      queue.close();
      const forwarder = forward(queue, { maxAgeMs: 0 });
      await expect.poll(() => forwarder.running).toBe(false);
      const { oldestAgeMs, depth } = await forwarder.stats();
      expect(depth).toBe(1);
      expect(oldestAgeMs).toBeGreaterThanOrEqual(0);
      expect(await forwarder.health()).toMatchObject({ status: 'degraded' });
    });

    it('stops where its queue is closed, and leaves the rows', async () => {
      const queue = queueOf();
      const forwarder = forward(queue);
      queue.close();
      await outbox.write([{ payload: 1 }]);
      await expect.poll(() => forwarder.running).toBe(false);
      expect(await outbox.rows()).toBe(1);
      const seen = collect(forwardingTo(queueOf()));
      await expect.poll(() => seen.length).toBe(1);
    });

    it('hands over what it has in hand when it is closed, and takes no more', async () => {
      const queue = queueOf();
      const asked = new Gate();
      const mayGo = new Gate();
      const enqueueMany = queue.enqueueMany.bind(queue);
      vi.spyOn(queue, 'enqueueMany').mockImplementation(async (...args) => {
        asked.open();
        await mayGo.opened;
        return enqueueMany(...args);
      });
      const forwarder = forward(queue, { batchSize: 1 });
      await outbox.write([{ payload: 1 }, { payload: 2 }]);
      await asked.opened;
      forwarder.close();
      const drained = forwarder.drain();
      expect(await forwarder.drain({ timeoutMs: 0 })).toEqual({ drained: false, left: 1, leaked: [] });
      mayGo.open();
      expect(await drained).toEqual({ drained: true, left: 0, leaked: [] });
      await forwarder[Symbol.asyncDispose]();
      expect(await queue.stats()).toMatchObject({ depth: 1 });
      expect(await outbox.rows()).toBe(1);
    });

    it('gives back what it has in hand when it is cancelled', async () => {
      const queue = queueOf({ maxDepth: 1 });
      await queue.enqueue('fills it');
      const forwarder = forward(queue, { batchSize: 1 });
      await outbox.write([{ payload: 1 }]);
      await expect.poll(() => queue.stats()).toMatchObject({ pending: 1 });
      forwarder.cancel();
      await forwarder[Symbol.asyncDispose]();
      expect(await queue.stats()).toMatchObject({ depth: 1, pending: 0 });
      expect(await outbox.rows()).toBe(1);
      const seen = collect(forwardingTo(queueOf()));
      await expect.poll(() => seen.length).toBe(1);
    });

    it('is stopped by its service at the lame duck, before its queue', async () => {
      const service = new Service({ name: 's', shutdown: { budgetMs: 10_000 } });
      const queue = service.own(new JobQueue<unknown>({ name: 'mails', url: 'memory:' }));
      const seen = collect(queue);
      const forwarder = service.own(outbox.forward(queue, { pollMs: 20 }));
      await service.start();
      await outbox.write([{ payload: 1 }]);
      await expect.poll(() => seen.length).toBe(1);
      const report = await service.shutdown();
      expect(report.outcome).toBe('clean');
      expect(forwarder.running).toBe(false);
      await outbox.write([{ payload: 2 }]);
      expect(await outbox.rows()).toBe(1);
    });
  });

  it.each<[string, object]>([
    ['name', { name: '' }],
    ['batchSize', { batchSize: 0 }],
    ['batchSize', { batchSize: 1_001 }],
    ['pollMs', { pollMs: 0 }],
    ['timeoutMs', { timeoutMs: Infinity }],
    ['leaseMs', { timeoutMs: 5_000, leaseMs: 5_000 }],
    ['maxAgeMs', { maxAgeMs: -1 }],
    ['name', { name: null }],
    ['db', { db: {} }],
    ['interval', { interval: 1 }],
  ])('refuses a wrong %s: %j', (name, options) => {
    expect(() => outbox.forward(queueOf(), options)).toThrow(name);
  });

  it('refuses what is no queue', () => {
    expect(() => outbox.forward({} as JobQueue<unknown>)).toThrow('queue must be a JobQueue');
  });
}

class Gate {
  open: () => void = () => {};
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.open = resolve;
  });
}
