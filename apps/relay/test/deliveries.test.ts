/// <reference lib="esnext.disposable" />
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { subscribe } from '@holdfast/core';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deliveries, type Delivery, type DeliveryStore } from '../src/deliveries.ts';
import { readEnvironment } from '../src/environment.ts';
import { Outcomes, type Outcome } from '../src/outcomes.ts';
import type { BacklogEntry } from '../src/store.sync.ts';

const config = readEnvironment({
  RELAY_QUEUE: 'memory:',
  RELAY_RETRY_BASE_MS: '1',
  RELAY_RETRY_MAX_MS: '5',
  RELAY_MAX_ATTEMPTS: '3',
  RELAY_ATTEMPT_TIMEOUT_MS: '60000',
});

let subscriber: Server;
let url: string;
/** How the subscriber answers; `undefined` never. */
let answer: () => number | undefined;
/** What was asked of the store, and `sent` for each request that arrived, in order. */
let log: string[];
/** Ids that the store says are settled. */
let settled: Set<string>;
let failToEnd: number;
/** Whether the end of an attempt still counts. */
let counts: boolean;
let attempts: number;
let admissions = 0;
let backlog: readonly BacklogEntry[];
let outcomes: Outcomes;
let deliveries: Deliveries;

const store: DeliveryStore = {
  id: 'this',
  async begin({ id }) {
    log.push(`begin ${id}`);
    if (settled.has(id)) return undefined;
    attempts += 1;
    return { attempt: attempts, payload: '1' };
  },
  async end({ id, status, lastError }) {
    log.push(`end ${id} ${status}${lastError === undefined ? '' : ` (${lastError})`}`);
    failToEnd -= 1;
    if (failToEnd >= 0) throw new Error('disk full');
    return counts;
  },
  async settled(ids) {
    const status = 'failed';
    return ids.filter((id) => settled.has(id)).map((id) => ({ id, status, lastError: 'elsewhere' }));
  },
  async *backlog() {
    yield backlog;
  },
};

// with a subscriber the queue does not tell the console of jobs that are meant to fail
const silence = subscribe(() => undefined);
afterAll(() => silence[Symbol.dispose]());

beforeEach(async () => {
  log = [];
  settled = new Set();
  failToEnd = 0;
  counts = true;
  attempts = 0;
  backlog = [];
  answer = () => 204;
  subscriber = createServer((request, response) => {
    log.push('sent');
    request.resume().once('end', () => {
      const status = answer();
      if (status !== undefined) response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => subscriber.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(subscriber.address() as AddressInfo).port}/hook?token=secret`;
  outcomes = new Outcomes();
  deliveries = new Deliveries(store, outcomes, config);
  deliveries.start();
});

afterEach(async () => {
  deliveries.queue.cancel();
  await deliveries.queue[Symbol.asyncDispose]();
  subscriber.closeAllConnections();
  await new Promise((resolve) => subscriber.close(resolve));
});

function event(): Delivery {
  return { id: 'a', admission: '1', url };
}

/** Delivers event `a` and waits until it is settled. */
async function deliver(): Promise<Outcome> {
  using waiting = outcomes.wait('a');
  admissions += 1;
  await deliveries.enqueue({ ...event(), admission: `d${admissions}` }, {});
  return await waiting.settled; // or it would be given up here
}

describe('a delivery', () => {
  it('is an attempt that the store knows of before anything is sent', async () => {
    expect(await deliver()).toEqual({ status: 'delivered', lastError: undefined });
    expect(log).toEqual(['begin a', 'sent', 'end a delivered']);
  });

  it('is tried again after an answer that says not now, each time with its reason in the store', async () => {
    answer = () => (log.filter((entry) => entry === 'sent').length < 3 ? 503 : 200);
    await deliver();
    expect(log).toEqual([
      'begin a',
      'sent',
      'end a queued (HTTP 503)',
      'begin a',
      'sent',
      'end a queued (HTTP 503)',
      'begin a',
      'sent',
      'end a delivered',
    ]);
  });

  it('fails with its last attempt, and at once where the answer is final', async () => {
    answer = () => 500;
    expect(await deliver()).toEqual({ status: 'failed', lastError: 'HTTP 500' });
    expect(log.filter((entry) => entry === 'sent')).toHaveLength(3);
    answer = () => 404;
    attempts = 0;
    expect(await deliver()).toEqual({ status: 'failed', lastError: 'HTTP 404' });
    expect(log.slice(-3)).toEqual(['begin a', 'sent', 'end a failed (HTTP 404)']);
  });

  it('sends nothing for an event that was settled or refused in the meantime', async () => {
    settled.add('a');
    await deliveries.enqueue(event(), {});
    await expect.poll(async () => (await deliveries.queue.stats())['depth']).toBe(0);
    expect(log).toEqual(['begin a']);
    settled.clear();
    await deliver();
    expect(log).toEqual(['begin a', 'begin a', 'sent', 'end a delivered']);
  });

  it('is sent again rather than lost when its outcome could not be stored', async () => {
    failToEnd = 2;
    expect(await deliver()).toMatchObject({ status: 'delivered' });
    expect(log.filter((entry) => entry === 'sent')).toHaveLength(2);
  });

  it('is queued once, however often it is asked for while it is there', async () => {
    answer = () => undefined;
    await Promise.all([1, 2, 3].map(() => deliveries.enqueue(event(), {})));
    await expect.poll(() => log).toEqual(['begin a', 'sent']);
    await deliveries.enqueue(event(), { maxWaitMs: 0 });
    expect((await deliveries.queue.stats())['depth']).toBe(1);
  });

  it('goes back to the queue of the store when it is cut off', async () => {
    answer = () => undefined;
    await deliveries.enqueue(event(), {});
    await expect.poll(() => log).toEqual(['begin a', 'sent']);
    deliveries.queue.cancel(new Error('over'));
    await expect.poll(() => log.at(-1)).toMatch(/^end a queued \(interrupted/);
  });

  it('costs no attempt while the circuit of its origin is open', async () => {
    const { breaker } = deliveries.subscribers.for(new URL(url).origin);
    const isolation = breaker?.isolate();
    await deliveries.enqueue(event(), {});
    await expect.poll(async () => Number((await deliveries.queue.stats())['released'])).toBeGreaterThan(1);
    expect(log).toEqual([]);
    using waiting = outcomes.wait('a');
    isolation?.[Symbol.dispose]();
    expect(await waiting.settled).toMatchObject({ status: 'delivered' });
    expect(attempts).toBe(1);
  });

  it('is taken up again from an earlier run, in order', async () => {
    answer = () => undefined;
    backlog = ['x', 'y', 'z'].map((id, n) => ({ ...event(), position: n + 1, id, acceptedAt: 0 }));
    await deliveries.recover({});
    await expect
      .poll(() => log.filter((entry) => entry !== 'sent'))
      .toEqual(['begin x', 'begin y', 'begin z']);
  });

  it('tells whoever waits what others made of the event, where it has nothing to send or its outcome comes too late', async () => {
    settled.add('a');
    expect(await deliver()).toEqual({ status: 'failed', lastError: 'elsewhere' });
    settled.clear();
    counts = false;
    answer = () => {
      settled.add('a');
      return 204;
    };
    expect(await deliver()).toEqual({ status: 'failed', lastError: 'elsewhere' });
  });

  it('leaves jobs of another store alone', async () => {
    const told = vi.spyOn(console, 'error').mockReturnValue();
    const foreign = { ...event(), store: 'other' };
    await deliveries.queue.enqueue(foreign, { id: 'foreign' });
    await expect.poll(async () => (await deliveries.queue.stats())['delayed']).toBe(1);
    expect([log, told.mock.calls.length]).toEqual([[], 1]);
    told.mockRestore();
  });
});
