import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitOpenError } from '../../src/errors/circuit-open-error.ts';
import { LeaseLostError } from '../../src/errors/job-errors.ts';
import { NoRetryError, RetryLaterError } from '../../src/errors/retry-errors.ts';
import { subscribe, type HoldfastEvent } from '../../src/events/bus.ts';
import type { JobConsumeOptions } from '../../src/jobs/job-consumer.ts';
import type { JobContext } from '../../src/jobs/job-context.ts';
import { JobQueue } from '../../src/jobs/job-queue.ts';
import { Deadline } from '../../src/signal/deadline.ts';
import { executionOf } from '../../src/signal/execution.ts';
import { sleep } from '../../src/signal/sleep.ts';
import { ScriptedEngine, type Script } from './scripted-engine.ts';

const RETRY = { maxRetries: 3, baseDelayMs: 100, jitter: 'none' as const };

function memory(options: object = {}): JobQueue<string> {
  return new JobQueue<string>({ name: 'q', url: 'memory:', retry: RETRY, ...options });
}

async function consuming(
  handler: (payload: string, ctx: JobContext) => unknown,
  options: JobConsumeOptions = {},
  script: Script = {},
): Promise<{
  engine: ScriptedEngine;
  queue: JobQueue<string>;
  loop: ReturnType<JobQueue<string>['consume']>;
}> {
  const engine = new ScriptedEngine(script);
  const queue = new JobQueue<string>({ name: 'q', url: 'script:', engines: [engine], retry: RETRY });
  const loop = queue.consume(async (payload, ctx) => void (await handler(payload, ctx)), options);
  await vi.advanceTimersByTimeAsync(0);
  return { engine, queue, loop };
}

const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function idle(): void {}

let said: { mockRestore(): void };

beforeEach(() => {
  vi.useFakeTimers();
  said = vi.spyOn(console, 'error').mockImplementation(() => {});
});
afterEach(() => {
  said.mockRestore();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('a job handler', () => {
  it('is given what a job knows of itself', async () => {
    const queue = memory();
    let seen: JobContext | undefined;
    const enqueuedAt = new Date();
    await queue.enqueue('a', { id: 'x', headers: { traceparent: '00-1' }, maxRetries: 7 });
    await tick(250);
    queue.consume((_, ctx) => {
      seen = ctx;
    });
    await queue.drain();
    expect(seen).toMatchObject({
      id: 'x',
      attempt: 1,
      maxRetries: 7,
      redelivered: false,
      headers: { traceparent: '00-1' },
      enqueuedAt,
      queueDelayMs: 250,
      deadline: undefined,
    });
  });

  it('sees no queue delay in a delay that was asked for', async () => {
    const queue = memory();
    const delays: number[] = [];
    queue.consume((_, { queueDelayMs }) => void delays.push(queueDelayMs));
    await queue.enqueue('a', { delayMs: 1_000 });
    await tick(1_000);
    expect(delays).toEqual([0]);
  });

  it('sees no negative queue delay from a producer whose clock is ahead', async () => {
    const delays: number[] = [];
    const { engine } = await consuming((_, { queueDelayMs }) => delays.push(queueDelayMs));
    engine.push('x', { job: { enqueuedAt: Date.now() + 60_000 } });
    expect(delays).toEqual([0]);
  });

  it('sees Infinity where retries have no limit', async () => {
    const queue = memory();
    const seen: number[] = [];
    queue.consume((_, { maxRetries }) => void seen.push(maxRetries));
    await queue.enqueue('a', { maxRetries: Infinity });
    await queue.drain();
    expect(seen).toEqual([Infinity]);
  });

  it('acknowledges by returning', async () => {
    const { engine } = await consuming(() => {});
    engine.push('x');
    await tick();
    expect(engine.log).toEqual(['subscribe 1', 'ack a']);
  });

  it('spends an attempt by throwing, synchronously or not, anything', async () => {
    const queue = memory();
    const thrown = [new Error('x'), 'text', undefined, null];
    const attempts: number[] = [];
    queue.consume((_, { attempt }) => {
      attempts.push(attempt);
      const error = thrown[attempt - 1];
      if (attempt % 2 === 1) throw error;
      return Promise.reject(error);
    });
    await queue.enqueue('a', { id: 'a' });
    await tick(100 + 200 + 400);
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(await queue.deadLetters.list()).toMatchObject([
      { id: 'a', attempts: 4, error: { message: 'null' } },
    ]);
  });

  it('buries with noRetry and delays with retryLater', async () => {
    const { engine } = await consuming((payload) => {
      throw payload === 'no' ? new NoRetryError(new Error('bad url')) : new RetryLaterError(5_000);
    });
    engine.push('no');
    engine.push('later', { id: 'b' });
    await tick();
    expect(engine.log.slice(1)).toEqual(['dead bad url a', 'retry 5000 Try again in 5000 ms b']);
  });

  it('gives the job back after a refusal, without spending an attempt', async () => {
    const queue = memory();
    const seen: [number, boolean][] = [];
    let open = true;
    queue.consume((_, { attempt, redelivered }) => {
      seen.push([attempt, redelivered]);
      if (open) throw new CircuitOpenError('upstream', 'open', { retryAfterMs: 1_000 });
    });
    await queue.enqueue('a');
    await tick(10_000);
    open = false;
    await tick(1_000);
    expect(seen).toHaveLength(12);
    expect(seen[0]).toEqual([1, false]);
    expect(new Set(seen.slice(1).map(String))).toEqual(new Set(['1,true']));
    expect(await queue.stats()).toMatchObject({ depth: 0, completed: 1, released: 11, retried: 0 });
  });

  it('is not run again where the last start never ended: a job that kills its worker dies with the last one', async () => {
    const handler = vi.fn<() => void>();
    const { engine } = await consuming(handler);
    engine.push('x', { attempt: 5 });
    await tick();
    expect(handler).not.toHaveBeenCalled();
    expect(engine.log.slice(1)).toEqual(['dead Lost the lease of job "a" on queue "q" a']);
  });

  it('is not given a body that is no JSON', async () => {
    const handler = vi.fn<() => void>();
    const { engine } = await consuming(handler);
    engine.push('x', { job: { body: '{' } });
    await tick();
    expect(handler).not.toHaveBeenCalled();
    expect(engine.log.slice(1)).toEqual(['dead Payload cannot be encoded: $ is not JSON a']);
  });

  it('runs in the context of consume, not of enqueue: what is to come along goes into headers', async () => {
    const storage = new AsyncLocalStorage<string>();
    const queue = memory();
    const seen: (string | undefined)[] = [];
    const loop = storage.run('consumer', () =>
      queue.consume((_, { headers }) => void seen.push(storage.getStore(), headers['from'])),
    );
    await storage.run('producer', () => queue.enqueue('a', { headers: { from: 'producer' } }));
    await storage.run('producer', () => queue.enqueue('a', { delayMs: 5 }));
    await tick(5);
    storage.run('pauser', () => {
      loop.pause();
      loop.resume();
    });
    await queue.enqueue('a');
    await tick();
    expect(seen).toEqual(['consumer', 'producer', 'consumer', undefined, 'consumer', undefined]);
  });
});

describe('a context passed on to enqueue', () => {
  it('takes along headers, and neither the id nor the retries of its own job', async () => {
    const next = memory({ name: 'next' });
    const queue = memory();
    queue.consume(async (payload, ctx) => {
      if (payload !== 'first') return;
      expect(await queue.enqueue('second', ctx)).toMatchObject({ status: 'enqueued' });
      expect(await next.enqueue('a', { ...ctx, maxWaitMs: 0 })).toMatchObject({ status: 'enqueued' });
      expect(await next.enqueue('b', ctx)).toMatchObject({ status: 'enqueued' });
      expect(await next.enqueue('c', { ...ctx, id: `${ctx.id}:receipt`, maxRetries: 1 })).toEqual({
        status: 'enqueued',
        id: 'x:receipt',
      });
    });
    await queue.enqueue('first', { id: 'x', maxRetries: 9, headers: { traceparent: '00-1' } });
    await queue.drain();
    const seen: unknown[] = [];
    next.consume((payload, { id, maxRetries, headers }) => {
      seen.push([payload, id === 'x', maxRetries, headers]);
    });
    await next.drain();
    const headers = { traceparent: '00-1' };
    expect(seen).toEqual([
      ['a', false, 3, headers],
      ['b', false, 3, headers],
      ['c', false, 1, headers],
    ]);
    expect(await queue.deadLetters.list()).toEqual([]);
    expect(await queue.stats()).toMatchObject({ completed: 2, retried: 0 });
  });
});

describe('a job that runs too long', () => {
  it('is aborted, and retried once its handler has ended', async () => {
    let end: () => void = idle;
    const { engine } = await consuming(
      (_, { signal }) =>
        new Promise<void>((_resolve, reject) => {
          end = () => reject(signal.reason);
        }),
      { timeoutMs: 1_000 },
    );
    engine.push('x');
    await tick(5_000);
    expect(engine.log).toEqual(['subscribe 1']);
    end();
    await tick();
    expect(engine.log.slice(1)).toEqual([
      'retry 100 Job "a" of queue "q" timed out after 1000 ms (attempt) a',
    ]);
  });

  it('has its time-out as a deadline for what it calls', async () => {
    const remaining: (number | undefined)[] = [];
    const { engine } = await consuming((_, { deadline }) => remaining.push(deadline?.remainingMs), {
      timeoutMs: 1_000,
    });
    engine.push('x');
    await tick();
    expect(remaining).toEqual([1_000]);
  });

  it('fails by its time-out, whatever error the abort made of it', async () => {
    const { engine } = await consuming(
      (_, { signal }) =>
        new Promise<void>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new NoRetryError(new Error('aborted'))));
        }),
      { timeoutMs: 1_000 },
    );
    engine.push('x');
    await tick(1_000);
    expect(engine.log[1]).toMatch(/^retry 100 Job "a" of queue "q" timed out/u);
  });

  it('counts as done where the handler never looked at its signal and returned after all', async () => {
    const { engine } = await consuming(() => sleep(2_000), { timeoutMs: 1_000 });
    engine.push('x');
    await tick(2_000);
    expect(engine.log.slice(1)).toEqual(['ack a']);
  });

  it('does not count as done where the handler may have stopped half-way because of the abort', async () => {
    const { engine } = await consuming(
      async (_, { signal }) => {
        while (!signal.aborted) await sleep(300);
      },
      { timeoutMs: 1_000 },
    );
    engine.push('x');
    await tick(1_200);
    expect(engine.log[1]).toMatch(/^retry/u);
  });

  it('is taken as lost when it ignores its abort as long as a lease lasts, and keeps its slot', async () => {
    let end: () => void = idle;
    const { engine, loop } = await consuming(
      (_, { attempt }) =>
        attempt === 1
          ? new Promise<void>((resolve) => {
              end = resolve;
            })
          : undefined,
      { timeoutMs: 1_000, leaseMs: 5_000, concurrency: 2 },
    );
    engine.push('x');
    await tick(5_999);
    expect(engine.log).toEqual(['subscribe 2']);
    await tick(1);
    expect(engine.log[1]).toMatch(/^unsubscribe|^retry/u);
    expect(engine.log.slice(-1)).toEqual(['subscribe 1']);
    expect(loop.inFlight).toBe(1);
    engine.push('x', { attempt: 2 });
    await tick();
    expect(engine.log.at(-1)).toBe('ack a');
    end();
    await tick();
    expect(engine.log.slice(-2)).toEqual(['unsubscribe', 'subscribe 2']);
    expect(loop.inFlight).toBe(0);
  });

  it('takes no new job while every slot is held by one that ignores its abort', async () => {
    const { engine, loop } = await consuming(() => new Promise(() => {}), {
      timeoutMs: 1_000,
      leaseMs: 5_000,
    });
    engine.push('x');
    await tick(6_000);
    expect(engine.deliver).toBeUndefined();
    expect(loop.running).toBe(true);
  });

  it('waits for work that the handler gave up, before its outcome is told', async () => {
    let end: () => void = idle;
    const { engine } = await consuming((_, ctx) => {
      executionOf(ctx)?.abandon(
        new Promise<void>((resolve) => {
          end = resolve;
        }),
      );
      throw new Error('x');
    });
    engine.push('x');
    await tick(1_000);
    expect(engine.log).toEqual(['subscribe 1']);
    end();
    await tick();
    expect(engine.log.slice(1)).toEqual(['retry 100 x a']);
  });

  it('does not wait longer than a lease for work that the handler gave up', async () => {
    const { engine } = await consuming((_, ctx) => executionOf(ctx)?.abandon(new Promise(() => {})), {
      leaseMs: 1_000,
    });
    engine.push('x');
    await tick(1_000);
    expect(engine.log).toContain('ack a');
  });
});

describe('a lease that is lost', () => {
  it('aborts the handler with LEASE_LOST and settles nothing', async () => {
    const lease = new AbortController();
    const reasons: unknown[] = [];
    const { engine } = await consuming(
      (_, { signal }) =>
        new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            resolve();
          });
        }),
    );
    engine.push('x', { signal: lease.signal });
    await tick();
    const error = new LeaseLostError('q', 'a');
    lease.abort(error);
    await tick();
    expect(reasons).toEqual([error]);
    expect(engine.log.slice(1)).toEqual(['release now a']);
  });

  it('does not even start a job whose lease is lost already', async () => {
    const handler = vi.fn<() => void>();
    const { engine } = await consuming(handler);
    engine.push('x', { signal: AbortSignal.abort(new LeaseLostError('q', 'a')) });
    await tick();
    expect(handler).not.toHaveBeenCalled();
    expect(engine.log.slice(1)).toEqual(['release now a']);
  });

  it('is said in an event, also where the engine refused the ack', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const lease = new AbortController();
    const { engine } = await consuming(() => lease.abort(new LeaseLostError('q', 'a')));
    engine.push('x', { signal: lease.signal });
    await tick();
    expect(events.map(({ type }) => type)).toEqual(['job.started', 'job.lease-lost']);
  });

  it('leaves no listener behind after ten thousand jobs', async () => {
    const lease = new AbortController();
    const added = vi.spyOn(lease.signal, 'addEventListener');
    const removed = vi.spyOn(lease.signal, 'removeEventListener');
    const { engine, loop } = await consuming(() => {});
    for (let n = 0; n < 10_000; n += 1) engine.push('x', { id: String(n), signal: lease.signal });
    await tick();
    expect(loop.inFlight).toBe(0);
    expect(added.mock.calls.length).toBe(removed.mock.calls.length);
  });
});

describe('a consumer', () => {
  it('is returned before anything runs, and runs so many at a time', async () => {
    const queue = memory();
    for (let n = 0; n < 5; n += 1) await queue.enqueue(String(n));
    const running: string[] = [];
    const loop = queue.consume(
      async (payload) => {
        running.push(payload);
        await sleep(100);
      },
      { concurrency: 2 },
    );
    expect([loop.running, loop.inFlight]).toEqual([true, 0]);
    await tick();
    expect(running).toEqual(['0', '1']);
    expect(loop.inFlight).toBe(2);
    await tick(100);
    expect(running).toEqual(['0', '1', '2', '3']);
    await tick(200);
    expect(loop.inFlight).toBe(0);
  });

  it('shares the work with another one on the same queue', async () => {
    const queue = memory();
    const seen: string[] = [];
    for (const name of ['a', 'b'])
      queue.consume(
        async () => {
          seen.push(name);
          await sleep(10);
        },
        { concurrency: 2 },
      );
    for (let n = 0; n < 4; n += 1) await queue.enqueue('x');
    await tick();
    expect(seen.toSorted()).toEqual(['a', 'a', 'b', 'b']);
    await tick(10);
  });

  it('takes nothing while paused, and goes on after', async () => {
    const queue = memory();
    const seen: string[] = [];
    const loop = queue.consume((payload) => void seen.push(payload));
    await tick();
    loop.pause();
    await queue.enqueue('a');
    await tick();
    expect([seen, loop.running]).toEqual([[], true]);
    loop.resume();
    loop.resume();
    await tick();
    expect(seen).toEqual(['a']);
  });

  it('stops by taking nothing more and waiting for what it has', async () => {
    const queue = memory();
    const seen: string[] = [];
    const loop = queue.consume(async (payload) => {
      await sleep(100);
      seen.push(payload);
    });
    await queue.enqueue('a');
    await queue.enqueue('b');
    await tick();
    const stopped = loop.stop();
    expect(loop.running).toBe(false);
    await tick(100);
    await stopped;
    await loop.done;
    expect(seen).toEqual(['a']);
    expect(await queue.stats()).toMatchObject({ waiting: 1, inFlight: 0 });
  });

  it('gives back what an engine delivers while it stops', async () => {
    const { engine, loop } = await consuming(() => {});
    const { deliver } = engine;
    const stopped = loop.stop();
    expect(deliver).toBeDefined();
    engine.push('x');
    await stopped;
    expect(engine.log).toEqual(['subscribe 1', 'release now a', 'unsubscribe']);
  });

  it('ends with its signal, and gives back what it had', async () => {
    const controller = new AbortController();
    const reasons: unknown[] = [];
    const { engine, loop } = await consuming(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          });
        }),
      { signal: controller.signal },
    );
    engine.push('x');
    controller.abort('enough');
    await loop.done;
    expect(reasons).toEqual(['enough']);
    expect(engine.log.toSorted()).toEqual(['release now a', 'subscribe 1', 'unsubscribe']);
  });

  it('ends with its deadline', async () => {
    const { engine, loop } = await consuming(() => {}, { deadline: Deadline.after(1_000) });
    await tick(1_000);
    await loop.done;
    expect(loop.running).toBe(false);
    expect(engine.log).toEqual(['subscribe 1', 'unsubscribe']);
  });

  it('never begins where its signal has aborted before', async () => {
    const { engine, loop } = await consuming(() => {}, { signal: AbortSignal.abort('gone') });
    await loop.done;
    expect(engine.log).toEqual([]);
  });

  it('subscribes again, later and later, while the engine is down', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    let down = 4;
    const { engine, loop } = await consuming(
      () => {},
      {},
      {
        open: async () => {
          down -= 1;
          if (down > 0) throw new Error('down');
        },
      },
    );
    await tick(250 + 500 + 1_000);
    expect(engine.log).toEqual(['subscribe 1']);
    expect(loop.running).toBe(true);
    expect(events.map(({ type, data }) => [type, data['delayMs']])).toEqual([
      ['job.consumer-failed', 250],
      ['job.consumer-failed', 500],
      ['job.consumer-failed', 1_000],
    ]);
  });

  it('says on the console once a minute that the engine is down, where nobody listens', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { loop } = await consuming(() => {}, {}, { open: () => Promise.reject(new Error('down')) });
    await tick(59_000);
    expect(said).toHaveBeenCalledOnce();
    said.mockRestore();
    await loop.stop();
  });

  it('ends, for all to see, when the engine says that trying again is of no use', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const unsafe = Object.assign(new Error('unsafe'), { retryable: false });
    const { loop, queue } = await consuming(() => {}, {}, { open: () => Promise.reject(unsafe) });
    await expect(loop.done).rejects.toBe(unsafe);
    expect(loop.running).toBe(false);
    expect(await queue.health()).toMatchObject({ status: 'down' });
    expect(said).toHaveBeenCalledOnce();
    said.mockRestore();
  });

  it('does not wait for ever for a subscription, and lets a late one go', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    let finish: (subscription: AsyncDisposable) => void = idle;
    let asked = 0;
    const { loop } = await consuming(
      () => {},
      {},
      {
        consume: () => {
          asked += 1;
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
      },
    );
    await tick(10_000);
    const disposed = vi.fn<() => Promise<void>>(async () => {});
    finish({ [Symbol.asyncDispose]: disposed });
    await tick(250);
    expect(disposed).toHaveBeenCalledOnce();
    expect(asked).toBe(2);
    finish({ [Symbol.asyncDispose]: disposed });
    await loop.stop();
    expect(disposed).toHaveBeenCalledTimes(2);
    said.mockRestore();
  });

  it('does not wait for ever for the end of a subscription', async () => {
    const { loop } = await consuming(
      () => {},
      {},
      { consume: async () => ({ [Symbol.asyncDispose]: () => new Promise(() => {}) }) },
    );
    const stopped = loop.stop();
    await tick(10_000);
    await stopped;
    expect(loop.running).toBe(false);
  });

  it('reports an outcome that the engine did not take, and goes on', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const { engine, loop } = await consuming(() => {});
    engine.deliver?.({
      job: { id: 'a', body: '1', headers: {}, delayMs: 0, priority: 'normal', enqueuedAt: 0, maxRetries: 0 },
      attempt: 1,
      ack: () => Promise.reject(new Error('down')),
      retry: async () => {},
      dead: async () => {},
      release: async () => {},
    });
    await tick();
    expect(events.at(-1)).toMatchObject({ type: 'job.unsettled', data: { id: 'a', outcome: 'ack' } });
    expect(loop.inFlight).toBe(0);
  });

  it('does not wait for the answer to an outcome for longer than the lease lasts', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const { engine, loop } = await consuming(() => {}, { leaseMs: 1_000 });
    engine.deliver?.({
      job: { id: 'a', body: '1', headers: {}, delayMs: 0, priority: 'normal', enqueuedAt: 0, maxRetries: 0 },
      attempt: 1,
      ack: () => new Promise(() => {}),
      retry: async () => {},
      dead: async () => {},
      release: async () => {},
    });
    await tick(999);
    expect(loop.inFlight).toBe(1);
    await tick(1);
    expect(loop.inFlight).toBe(0);
    expect(events.at(-1)).toMatchObject({
      type: 'job.unsettled',
      data: { id: 'a', error: { code: 'TIMEOUT' } },
    });
  });

  it('says on the console that a job is dead, where nobody listens', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const error = new NoRetryError('bad url');
    const { engine } = await consuming(() => {
      throw error;
    });
    engine.push('x');
    engine.push('x', { id: 'b' });
    await tick();
    expect(said.mock.calls).toEqual([['Queue "q": job "a" is dead after 1 starts', error]]);
    said.mockRestore();
  });

  it('tells the engine its lease and its target for crashes', async () => {
    const { engine } = await consuming(() => {});
    await consuming(() => {}, { leaseMs: 1_000 });
    expect(engine.subscriptions).toEqual([{ concurrency: 1, leaseMs: 30_000, crashRedeliveryMs: 35_000 }]);
    const short = await consuming(() => {}, { crashRedeliveryMs: 2_000 });
    expect(short.engine.subscriptions).toEqual([
      { concurrency: 1, leaseMs: 2_000, crashRedeliveryMs: 2_000 },
    ]);
  });

  it.each([
    ['a handler that is none', 'x', {}, TypeError],
    ['options that are none', () => {}, null, TypeError],
    ['no concurrency', () => {}, { concurrency: 0 }, RangeError],
    ['endless concurrency', () => {}, { concurrency: Infinity }, RangeError],
    ['a time-out of 0', () => {}, { timeoutMs: 0 }, RangeError],
    ['a lease that is no number', () => {}, { leaseMs: '1' }, TypeError],
    ['a lease too short to renew', () => {}, { leaseMs: 99 }, RangeError],
    ['a target below the lease', () => {}, { leaseMs: 1_000, crashRedeliveryMs: 999 }, RangeError],
    ['a signal that is none', () => {}, { signal: 1 }, TypeError],
  ])('throws on %s', (_name, handler, options, kind) => {
    expect(() => memory().consume(handler as never, options as never)).toThrow(kind);
  });

  it('says what happened to each job', async () => {
    const events: HoldfastEvent[] = [];
    const queue = memory();
    using _listening = subscribe((event) => events.push(event));
    queue.consume((payload, { attempt }) => {
      if (payload === 'retry' && attempt === 1) throw new Error('x');
      if (payload === 'dead') throw new NoRetryError('x');
      if (payload === 'release') throw new CircuitOpenError('c', 'open', { retryAfterMs: 100_000 });
    });
    for (const id of ['done', 'retry', 'dead', 'release']) await queue.enqueue(id, { id });
    await tick(100);
    // a job may start before the call that brought it has returned
    const of = (id: string): unknown[] =>
      events
        .filter(({ type, data }) => data['id'] === id && type !== 'job.enqueued')
        .map(({ type, data }) => [type, data['attempt'] ?? data['attempts']]);
    expect(of('done')).toEqual([
      ['job.started', 1],
      ['job.done', 1],
    ]);
    expect(of('retry')).toEqual([
      ['job.started', 1],
      ['job.retried', 1],
      ['job.started', 2],
      ['job.done', 2],
    ]);
    expect(of('dead')).toEqual([
      ['job.started', 1],
      ['job.dead', 1],
    ]);
    expect(of('release')).toEqual([
      ['job.started', 1],
      ['job.released', 1],
    ]);
    queue.cancel();
    await queue[Symbol.asyncDispose]();
  });
});
