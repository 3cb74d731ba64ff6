/** What a subscription does when its connection comes and goes, with a server that is only played. */
import type { JobDelivery } from '@holdfast/core';
import type { Msg } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeadStream } from '../src/dead-stream.ts';
import type { Link } from '../src/link.ts';
import type { QueueStreams } from '../src/queue-streams.ts';
import type { ServerClock } from '../src/server-clock.ts';
import type { StartLedger } from '../src/start-ledger.ts';
import { Subscription } from '../src/subscription.ts';

/** What is played. */
class Scene {
  readonly inboxes = new Set<(error: null, message: Msg) => void>();
  readonly asked: string[] = [];
  readonly requests: string[] = [];
  readonly delivered: JobDelivery[] = [];
  readonly #joining: ((leaseMs: number) => void)[] = [];
  reconnected: () => void = () => {};
  up = true;
  readonly subscription: Subscription;

  constructor(leaseMs = 30_000, concurrency = 1) {
    const connection = {
      subscribe: (_subject: string, { callback }: { callback: (error: null, message: Msg) => void }) => {
        this.inboxes.add(callback);
        const close = (): void => void this.inboxes.delete(callback);
        return {
          getSubject: () => 'inbox',
          isClosed: () => !this.inboxes.has(callback),
          drain: async () => close(),
          unsubscribe: close,
        };
      },
      publish: (subject: string) => this.asked.push(subject),
      request: async (_subject: string, payload: string) => this.requests.push(payload),
      flush: async () => {},
    };
    const link: Partial<Link> = {
      up: true,
      closed: false,
      ask: (request) => (this.up ? request() : Promise.reject(new Error('down'))),
      watch: (changed) => {
        this.reconnected = changed;
        return { [Symbol.dispose]: () => {} };
      },
      client: { connection, newInbox: () => 'inbox' } as unknown as Link['client'],
    };
    const streams = {
      names: { jobs: { stream: 's', subject: 's' } },
      consumer: () => new Promise<number>((resolve) => this.#joining.push(resolve)),
      clear: async () => 0,
    };
    this.subscription = new Subscription(
      {
        queue: 'q',
        link: link as Link,
        streams: streams as unknown as QueueStreams,
        dead: {} as DeadStream,
        ledger: {
          find: async () => {},
          forgetBefore: async () => {},
          keep: async () => {},
        } as unknown as StartLedger,
        clock: { now: () => Date.now(), measure: async () => {} } as unknown as ServerClock,
        ended: () => {},
      },
      { concurrency, leaseMs, crashRedeliveryMs: leaseMs },
      (delivery) => this.delivered.push(delivery),
    );
  }

  /** The server answers all who join. */
  answer(leaseMs: number): void {
    for (const resolve of this.#joining.splice(0)) resolve(leaseMs);
  }

  /** A job comes. */
  send(seq: number): void {
    const message = { reply: `$JS.ACK.s.c.1.${seq}.1.${Date.now()}000000.0`, data: new Uint8Array([49]) };
    for (const receive of this.inboxes) receive(null, message as unknown as Msg);
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a subscription', () => {
  it('has one inbox, also when the connection comes anew while it joins for the first time', async () => {
    const scene = new Scene();
    const joined = scene.subscription.join();
    scene.reconnected();
    await vi.advanceTimersByTimeAsync(1);
    scene.answer(30_000);
    await joined;
    await vi.advanceTimersByTimeAsync(1);
    // it begins anew after it, in case what it had asked for was lost
    scene.answer(30_000);
    await vi.advanceTimersByTimeAsync(1);
    expect(scene.inboxes.size).toBe(1);
    expect(scene.asked).toHaveLength(2);
    await scene.subscription[Symbol.asyncDispose]();
    expect(scene.inboxes.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('starts nothing of what has waited while its process stood still', async () => {
    const scene = new Scene(3_000);
    const joined = scene.subscription.join();
    scene.answer(3_000);
    await joined;
    // a loop that stood still finds its timers late, and what came meanwhile behind them
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 5_000);
    vi.advanceTimersToNextTimer();
    scene.send(1);
    clock.mockRestore();
    await vi.advanceTimersByTimeAsync(10);
    expect(scene.delivered).toEqual([]);
    // neither acknowledged nor given back: it may be somebody else's
    expect(scene.requests).toEqual([]);
    scene.send(2);
    expect(scene.delivered.map(({ attempt }) => attempt)).toEqual([1]);
    scene.subscription.abandon();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('renews what it holds, and gives up what it could not renew in time', async () => {
    const scene = new Scene(3_000);
    const joined = scene.subscription.join();
    scene.answer(3_000);
    await joined;
    scene.send(1);
    const [delivery] = scene.delivered;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(delivery?.signal?.aborted).toBe(false);
    expect(new Set(scene.requests)).toEqual(new Set(['+WPI']));
    scene.up = false;
    await vi.advanceTimersByTimeAsync(4_000);
    expect(delivery?.signal?.reason).toMatchObject({ code: 'LEASE_LOST' });
    scene.up = true;
    scene.requests.length = 0;
    expect(await delivery?.ack()).toBe('lease-lost');
    expect(scene.requests).toEqual([]);
    scene.subscription.abandon();
  });

  it('asks for a shorter lease than the server gives by giving the job back for later', async () => {
    const scene = new Scene(3_000);
    const joined = scene.subscription.join();
    scene.answer(60_000);
    await joined;
    scene.send(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(scene.requests[0]).toBe('-NAK {"delay":3000000000}');
    expect(await scene.delivered[0]?.ack()).toBe('acked');
    expect(scene.requests.at(-1)).toBe('+ACK');
    scene.subscription.abandon();
  });
});
