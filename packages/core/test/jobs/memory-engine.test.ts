import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { subscribe, type HoldfastEvent } from '../../src/events/bus.ts';
import type { JobDelivery, JobDriver, WireJob } from '../../src/jobs/engine.ts';
import { memory } from '../../src/jobs/memory-engine.ts';

function job(id: string, more: Partial<WireJob> = {}): WireJob {
  return {
    id,
    body: JSON.stringify(id),
    headers: {},
    delayMs: 0,
    priority: 'normal',
    enqueuedAt: Date.now(),
    maxRetries: 3,
    ...more,
  };
}

let driver: JobDriver;
let delivered: JobDelivery[];
const FAILURE = { name: 'Error', message: 'x' };

const put = (...jobs: WireJob[]): Promise<unknown> => driver.enqueue('q', jobs, { maxDepth: Infinity });
const subscribeWith = (concurrency: number, to = delivered): Promise<AsyncDisposable> =>
  driver.consume('q', { concurrency, leaseMs: 1_000, crashRedeliveryMs: 1_000 }, (one) => void to.push(one));
const ids = (): string[] => delivered.map(({ job: { id } }) => id);
const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const last = (): JobDelivery => {
  const one = delivered.at(-1);
  if (one === undefined) throw new Error('nothing was delivered');
  return one;
};

async function status(): Promise<unknown> {
  const [result] = await driver.enqueue('q', [job('a')], { maxDepth: Infinity });
  return result?.status;
}

async function bury(id: string, starts = 1): Promise<void> {
  const grave: JobDelivery[] = [];
  await put(job(id));
  const subscription = await subscribeWith(1, grave);
  for (let n = 1; n <= starts; n += 1) {
    await tick();
    const one = grave.at(-1);
    await (n === starts ? one?.dead(FAILURE) : one?.retry(0, FAILURE));
  }
  await subscription[Symbol.asyncDispose]();
}

beforeEach(() => {
  vi.useFakeTimers();
  driver = memory.connect(new URL('memory:'));
  delivered = [];
});
afterEach(async () => {
  await driver.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('the memory engine', () => {
  it('declares what it is: nothing survives the process, and nobody else sees the jobs', () => {
    expect(driver.capabilities).toMatchObject({
      reach: 'process',
      delivery: 'at-most-once',
      durability: 'none',
      crashDetection: 'none',
      leaseClock: 'none',
    });
  });

  it('delivers in order, so many unsettled at a time', async () => {
    await put(job('a'), job('b'), job('c'));
    await subscribeWith(2);
    await tick();
    expect(ids()).toEqual(['a', 'b']);
    await delivered[0]?.ack();
    await tick();
    expect(ids()).toEqual(['a', 'b', 'c']);
    expect(await driver.counts('q')).toMatchObject({ waiting: 0, active: 2, delayed: 0, dead: 0 });
  });

  it('delivers by priority first', async () => {
    await put(job('low', { priority: 'low' }), job('normal'), job('high', { priority: 'high' }));
    await subscribeWith(3);
    await tick();
    expect(ids()).toEqual(['high', 'normal', 'low']);
  });

  it('delivers a delayed job when its time has come, behind what is ready by then', async () => {
    await put(job('late', { delayMs: 100 }), job('a'));
    await subscribeWith(1);
    await tick(99);
    await put(job('b'));
    expect(await driver.counts('q')).toMatchObject({ waiting: 1, active: 1, delayed: 1 });
    await tick(1);
    await delivered[0]?.ack();
    await tick();
    expect(ids()).toEqual(['a', 'b']);
    await last().ack();
    await tick();
    expect(ids()).toEqual(['a', 'b', 'late']);
  });

  it('delivers delayed jobs in the order of their times, equal ones in the order of their coming', async () => {
    await put(
      job('c', { delayMs: 30 }),
      job('a', { delayMs: 10 }),
      job('b1', { delayMs: 20 }),
      job('b2', { delayMs: 20 }),
    );
    await subscribeWith(9);
    await tick(30);
    expect(ids()).toEqual(['a', 'b1', 'b2', 'c']);
  });

  it('holds a delay longer than a timer can', async () => {
    const delayMs = 2 ** 31 + 1_000;
    await put(job('a', { delayMs }));
    await subscribeWith(1);
    await tick(delayMs - 1);
    expect(ids()).toEqual([]);
    await tick(1);
    expect(ids()).toEqual(['a']);
  });

  it('counts starts, and not those given back', async () => {
    await put(job('a'));
    await subscribeWith(1);
    await tick();
    expect(last()).toMatchObject({ attempt: 1, redelivered: false });
    await last().release();
    await tick();
    expect(last()).toMatchObject({ attempt: 1, redelivered: true });
    await last().retry(0, FAILURE);
    await tick();
    expect(last()).toMatchObject({ attempt: 2, redelivered: true });
    await last().release(50);
    await tick(50);
    expect(last()).toMatchObject({ attempt: 2, redelivered: true });
  });

  it('puts a job given back at its old place, and a retried one behind the others', async () => {
    await put(job('a'), job('b'), job('c'));
    await subscribeWith(1);
    await tick();
    await last().release();
    await tick();
    await last().retry(0, FAILURE);
    await tick();
    await last().ack();
    await tick();
    await last().ack();
    await tick();
    expect(ids()).toEqual(['a', 'a', 'b', 'c', 'a']);
  });

  it('counts only the first outcome of a delivery', async () => {
    await put(job('a'), job('b'));
    await subscribeWith(1);
    await tick();
    expect(await last().ack()).toBe('acked');
    expect(await delivered[0]?.ack()).toBe('lease-lost');
    await delivered[0]?.retry(0, FAILURE);
    await delivered[0]?.dead(FAILURE);
    await delivered[0]?.release();
    await tick();
    expect(ids()).toEqual(['a', 'b']);
    expect(await driver.counts('q')).toMatchObject({ waiting: 0, active: 1, dead: 0 });
  });

  it('keeps a second job of an id out as long as the first is present: waiting, delayed or active', async () => {
    expect(await status()).toBe('enqueued');
    expect(await status()).toBe('duplicate');
    await subscribeWith(1);
    await tick();
    expect(await status()).toBe('duplicate');
    await last().retry(10, FAILURE);
    expect(await status()).toBe('duplicate');
    await tick(10);
    await last().ack();
    expect(await status()).toBe('enqueued');
    await tick();
    await last().dead(FAILURE);
    expect(await status()).toBe('enqueued');
  });

  it('never holds more than asked, whatever is waiting, delayed or active', async () => {
    const bound = { maxDepth: 3 };
    await driver.enqueue('q', [job('a'), job('b', { delayMs: 10 }), job('c')], bound);
    await subscribeWith(1);
    await tick();
    await expect(driver.enqueue('q', [job('d')], bound)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(driver.depth?.('q')).toBe(3);
    await last().retry(5, FAILURE);
    expect(driver.depth?.('q')).toBe(3);
    await last().ack();
    expect(driver.depth?.('q')).toBe(2);
    await driver.enqueue('q', [job('d')], bound);
  });

  it('delivers nothing while it is paused, also to later subscribers', async () => {
    await driver.setPaused?.('q', true);
    await put(job('a'));
    await subscribeWith(1);
    await tick();
    expect(ids()).toEqual([]);
    expect(await driver.counts('q')).toMatchObject({ waiting: 1, paused: true });
    await driver.setPaused?.('q', false);
    await tick();
    expect(ids()).toEqual(['a']);
  });

  it('delivers nothing after a subscription is disposed, but takes the outcome of what it delivered', async () => {
    await put(job('a'), job('b'));
    const subscription = await subscribeWith(1);
    await tick();
    await subscription[Symbol.asyncDispose]();
    expect(await last().ack()).toBe('acked');
    await tick();
    expect(ids()).toEqual(['a']);
    expect(await driver.counts('q')).toMatchObject({ waiting: 1, active: 0 });
  });

  it('does not go round in circles with one who gives every job back at once', async () => {
    await put(job('a'));
    let given = 0;
    const subscription = await driver.consume(
      'q',
      { concurrency: 1, leaseMs: 1_000, crashRedeliveryMs: 1_000 },
      (one) => {
        given += 1;
        void one.release();
      },
    );
    await Promise.resolve();
    await Promise.resolve();
    await subscription[Symbol.asyncDispose]();
    expect(given).toBeGreaterThan(0);
    expect(await driver.counts('q')).toMatchObject({ waiting: 1, active: 0 });
  });

  it('says how long the oldest waiting job has waited', async () => {
    expect(await driver.counts('q')).toMatchObject({ oldestAgeMs: 0 });
    await put(job('delayed', { delayMs: 60_000 }), job('a'));
    await tick(1_000);
    await put(job('b'));
    await tick(500);
    expect(await driver.counts('q')).toMatchObject({ oldestAgeMs: 1_500 });
    await subscribeWith(1);
    await tick();
    expect(await driver.counts('q')).toMatchObject({ oldestAgeMs: 500 });
  });

  it('keeps queues of different names apart', async () => {
    await put(job('a'));
    await driver.enqueue('other', [job('a')], { maxDepth: Infinity });
    expect([driver.depth?.('q'), driver.depth?.('other')]).toEqual([1, 1]);
  });

  it('has no listener and no timer for jobs that wait', async () => {
    await put(...Array.from({ length: 10_000 }, (_, n) => job(String(n))));
    expect(vi.getTimerCount()).toBe(0);
    await put(...Array.from({ length: 10_000 }, (_, n) => job(`later ${n}`, { delayMs: 1_000 + n })));
    expect(vi.getTimerCount()).toBe(1);
  });
});

describe('dead letters of the memory engine', () => {
  it('are listed by their deaths, page by page', async () => {
    for (const id of ['c', 'a', 'b']) await bury(id);
    const first = await driver.dead.list('q', { limit: 2, cursor: undefined });
    expect(first.map(({ id }) => id)).toEqual(['c', 'a']);
    const cursor = first[1]?.cursor;
    await driver.dead.remove('q', 'a');
    const second = await driver.dead.list('q', { limit: 2, cursor });
    expect(second.map(({ id }) => id)).toEqual(['b']);
  });

  it('tell how often the job was started, when it died and of what', async () => {
    await bury('a', 3);
    expect(await driver.dead.list('q', { limit: 1, cursor: undefined })).toMatchObject([
      { id: 'a', payload: '"a"', attempts: 3, diedAt: new Date(), error: FAILURE },
    ]);
  });

  it('never count more starts than the job had: one that its worker did not survive is counted once', async () => {
    await put(job('a', { maxRetries: 0 }));
    await subscribeWith(1);
    await tick();
    await last().retry(0, FAILURE);
    await tick();
    await last().dead(FAILURE);
    expect(await driver.dead.list('q', { limit: 1, cursor: undefined })).toMatchObject([{ attempts: 1 }]);
  });

  it('start again as new when requeued', async () => {
    await bury('a', 3);
    await tick(5_000);
    expect(await driver.dead.requeue('q', 'a', { maxDepth: 1 })).toBe(true);
    expect(await driver.dead.requeue('q', 'a', { maxDepth: 1 })).toBe(false);
    await subscribeWith(1);
    await tick();
    expect(last()).toMatchObject({ attempt: 1, redelivered: false, job: { enqueuedAt: Date.now() } });
    expect(await driver.counts('q')).toMatchObject({ dead: 0 });
  });

  it('stay where they are when their id is present again, or there is no room', async () => {
    await bury('a');
    await bury('b');
    await put(job('a'));
    expect(await driver.dead.requeue('q', 'a', { maxDepth: 9 })).toBe(false);
    await expect(driver.dead.requeue('q', 'b', { maxDepth: 1 })).rejects.toMatchObject({
      code: 'QUEUE_FULL',
    });
    expect(await driver.counts('q')).toMatchObject({ waiting: 1, dead: 2 });
  });

  it('are one per id: the later death replaces the earlier', async () => {
    await bury('a');
    await bury('b');
    await bury('a');
    const found = await driver.dead.list('q', { limit: 9, cursor: undefined });
    expect(found.map(({ id }) => id)).toEqual(['b', 'a']);
  });

  it('are a thousand at most; the oldest make room, which is said', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const grave: JobDelivery[] = [];
    await put(...Array.from({ length: 1_002 }, (_, n) => job(String(n))));
    const subscription = await subscribeWith(2_000, grave);
    await tick();
    for (const one of grave) await one.dead(FAILURE);
    await subscription[Symbol.asyncDispose]();
    const found = await driver.dead.list('q', { limit: 2_000, cursor: undefined });
    expect([found.length, found[0]?.id]).toEqual([1_000, '2']);
    expect(events).toMatchObject([
      { type: 'queue.dropped', name: 'q', data: { why: 'dead-letters', count: 1 } },
      { type: 'queue.dropped', name: 'q', data: { why: 'dead-letters', count: 1 } },
    ]);
  });
});
