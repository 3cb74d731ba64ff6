import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallOptions } from '../../src/index.ts';
import { subscribe, type HoldfastEvent } from '../../src/events/bus.ts';
import { JobQueue } from '../../src/jobs/job-queue.ts';
import { Deadline } from '../../src/signal/deadline.ts';
import { ScriptedEngine, type Script } from './scripted-engine.ts';

function scripted(
  script: Script,
  options: object = {},
): { engine: ScriptedEngine; queue: JobQueue<unknown> } {
  const engine = new ScriptedEngine(script);
  return { engine, queue: new JobQueue({ name: 'q', url: 'script:', engines: [engine], ...options }) };
}

const never = (): Promise<never> => new Promise(() => {});

function idle(): void {}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('enqueue', () => {
  it('hands the engine a job with every default resolved', async () => {
    const { engine, queue } = scripted({}, { retry: { maxRetries: 5 } });
    const { status, id } = await queue.enqueue({ a: 1 });
    expect(status).toBe('enqueued');
    expect(id).toMatch(/^[0-9a-f-]{36}$/u);
    expect(engine.accepted).toEqual([
      {
        id,
        body: '{"a":1}',
        headers: {},
        delayMs: 0,
        priority: 'normal',
        enqueuedAt: Date.now(),
        maxRetries: 5,
      },
    ]);
  });

  it('hands it what was asked for', async () => {
    const { engine, queue } = scripted({});
    await queue.enqueue(1, {
      id: 'x',
      delayMs: 1.5,
      priority: 'high',
      maxRetries: Infinity,
      headers: { traceparent: '00-1' },
    });
    expect(engine.accepted).toMatchObject([
      { id: 'x', delayMs: 2, priority: 'high', maxRetries: 2 ** 31 - 1, headers: { traceparent: '00-1' } },
    ]);
  });

  it('reports a duplicate', async () => {
    const queue = new JobQueue({ name: 'q', url: 'memory:' });
    expect(await queue.enqueue(1, { id: 'a' })).toEqual({ status: 'enqueued', id: 'a' });
    expect(await queue.enqueue(2, { id: 'a' })).toEqual({ status: 'duplicate', id: 'a' });
    expect(await queue.stats()).toMatchObject({ depth: 1 });
  });

  it('answers a duplicate also where there is no room for a new one', async () => {
    const queue = new JobQueue({ name: 'q', url: 'memory:', maxDepth: 1 });
    await queue.enqueue(1, { id: 'a' });
    expect(await queue.enqueue(1, { id: 'a', maxWaitMs: 0 })).toMatchObject({ status: 'duplicate' });
  });

  it('opens the engine at first use, once', async () => {
    const open = vi.fn<() => Promise<void>>(async () => {});
    const { queue } = scripted({ open });
    await Promise.all([queue.enqueue(1), queue.enqueue(2), queue.open(), queue.open()]);
    await queue.open();
    expect(open).toHaveBeenCalledOnce();
  });

  it('may be opened again after that failed', async () => {
    let down = true;
    const { queue } = scripted({
      open: async () => {
        if (down) throw new Error('down');
      },
    });
    await expect(queue.open()).rejects.toThrow('down');
    await expect(queue.enqueue(1)).rejects.toThrow('down');
    down = false;
    await queue.enqueue(1);
  });

  it('does not wait for ever for an engine that does not open', async () => {
    const { queue } = scripted({ open: never });
    const enqueued = expect(queue.enqueue(1, { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
    });
    const opened = expect(queue.open()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    await vi.advanceTimersByTimeAsync(500);
    await enqueued;
    await vi.advanceTimersByTimeAsync(9_500);
    await opened;
  });

  it('lets a caller leave while the queue opens, without stopping it for others', async () => {
    let finish: () => void = idle;
    const opening = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { queue } = scripted({ open: () => opening });
    const controller = new AbortController();
    const left = expect(queue.open({ signal: controller.signal })).rejects.toBe('left');
    const stayed = queue.open();
    controller.abort('left');
    await left;
    finish();
    await stayed;
  });

  it('rejects with ENQUEUE_TIMEOUT after ten seconds without an answer', async () => {
    const { queue } = scripted({ enqueue: never });
    const seen = vi.fn<(error: unknown) => void>();
    queue.enqueue(1).catch(seen);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(seen).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toHaveBeenCalledWith(
      expect.objectContaining({ code: 'ENQUEUE_TIMEOUT', timeoutMs: 10_000 }),
    );
  });

  it('aborts the engine with the reason of the time-out, and of the caller', async () => {
    const reasons: unknown[] = [];
    const { queue } = scripted({
      enqueue: (_queue, _jobs, { signal }: CallOptions) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          });
        }),
    });
    const late = expect(queue.enqueue(1, { timeoutMs: 5 })).rejects.toMatchObject({
      code: 'ENQUEUE_TIMEOUT',
    });
    await vi.advanceTimersByTimeAsync(5);
    await late;
    const controller = new AbortController();
    const left = expect(queue.enqueue(1, { signal: controller.signal })).rejects.toBe('left');
    await vi.advanceTimersByTimeAsync(0);
    controller.abort('left');
    await left;
    expect(reasons).toEqual([expect.objectContaining({ code: 'TIMEOUT' }), 'left']);
  });

  it('enqueues nothing for a caller who has left, or whose deadline has passed', async () => {
    const { engine, queue } = scripted({});
    await expect(queue.enqueue(1, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
    const deadline = Deadline.after(5);
    vi.advanceTimersByTime(6);
    await expect(queue.enqueue(1, { deadline })).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    expect(engine.accepted).toEqual([]);
  });

  it('rejects with QUEUE_FULL, and not with a time-out, when only room was missing', async () => {
    const queue = new JobQueue({ name: 'q', url: 'memory:', maxDepth: 1 });
    await queue.enqueue(1);
    for (const options of [{ maxWaitMs: 50 }, { timeoutMs: 50 }]) {
      const full = expect(queue.enqueue(2, options)).rejects.toMatchObject({
        code: 'QUEUE_FULL',
        capacity: 1,
      });
      await vi.advanceTimersByTimeAsync(50);
      await full;
    }
    const deadline = Deadline.after(50);
    const late = expect(queue.enqueue(2, { deadline })).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
    });
    await vi.advanceTimersByTimeAsync(50);
    await late;
    expect(await queue.stats()).toMatchObject({ depth: 1, pending: 0 });
  });

  it('has room for ten thousand jobs where only memory holds them, and else as much as the engine', async () => {
    const memory = new JobQueue({ name: 'q', url: 'memory:' });
    expect(await memory.stats()).toMatchObject({ capacity: 10_000 });
    const { queue } = scripted({});
    expect(await queue.stats()).toMatchObject({ capacity: Infinity });
  });

  it('tells an engine that can bound itself how much, and samples the depth of one that cannot', async () => {
    const bounds: number[] = [];
    const enqueue: Script['enqueue'] = async (_queue, jobs, { maxDepth }) => {
      bounds.push(maxDepth);
      return jobs.map(({ id }) => ({ status: 'accepted', id }));
    };
    const exact = scripted({ enqueue }, { maxDepth: 3 });
    await exact.queue.enqueue(1);
    expect(bounds).toEqual([3]);
    const sampled = scripted(
      {
        enqueue,
        capabilities: { backpressure: 'sampled' },
        counts: async () => ({ waiting: 2, active: 0, delayed: 0 }),
      },
      { maxDepth: 3, overflow: 'reject' },
    );
    expect(await sampled.queue.enqueue(1)).toMatchObject({ status: 'accepted' });
    await expect(sampled.queue.enqueue(1)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });

  it('gives back the room of a job that a sampled engine did not take', async () => {
    let down = true;
    const { queue } = scripted(
      {
        capabilities: { backpressure: 'sampled' },
        enqueue: async (_queue, jobs) => {
          if (down) throw new Error('down');
          return jobs.map(({ id }) => ({ status: 'duplicate', id }));
        },
      },
      { maxDepth: 1, overflow: 'reject' },
    );
    await expect(queue.enqueue(1)).rejects.toThrow('down');
    down = false;
    await queue.enqueue(1);
    await queue.enqueue(1);
  });

  it('refuses what the engine cannot do', async () => {
    const { engine, queue } = scripted({ capabilities: { delay: 'none', priority: 'none' } });
    await expect(queue.enqueue(1, { delayMs: 1 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(queue.enqueue(1, { priority: 'low' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await queue.enqueue(1, { delayMs: 0, priority: 'normal' });
    expect(engine.accepted).toHaveLength(1);
  });

  it('refuses a payload above its own bound, and above that of the engine', async () => {
    const own = new JobQueue({ name: 'q', url: 'memory:', maxPayloadBytes: 5 });
    await own.enqueue('abc');
    await expect(own.enqueue('abcd')).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      bytes: 6,
      maxBytes: 5,
    });
    const { queue } = scripted({ capabilities: { maxPayloadBytes: 5 } });
    await expect(queue.enqueue('abcd')).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    await expect(queue.enqueue({ a: 1n })).rejects.toMatchObject({ code: 'PAYLOAD_INVALID', path: '$.a' });
  });

  it.each([
    ['options that are none', null, TypeError],
    ['an id that is no string', { id: 1 }, TypeError],
    ['an empty id', { id: '' }, RangeError],
    ['a delay that is no number', { delayMs: '1' }, TypeError],
    ['a negative delay', { delayMs: -1 }, RangeError],
    ['a delay that is no number at all', { delayMs: Number.NaN }, RangeError],
    ['an unknown priority', { priority: 'urgent' }, RangeError],
    ['retries that are a fraction', { maxRetries: 1.5 }, RangeError],
    ['headers that are none', { headers: null }, TypeError],
    ['a header that is no string', { headers: { a: 1 } }, TypeError],
    ['a time-out of 0', { timeoutMs: 0 }, RangeError],
    ['a negative wait', { maxWaitMs: -1 }, RangeError],
    ['a signal that is none', { signal: {} }, TypeError],
  ])('rejects %s', async (_name, options, kind) => {
    const queue = new JobQueue({ name: 'q', url: 'memory:' });
    // what a program without types can do
    await expect(queue.enqueue(1, options as never)).rejects.toThrow(kind);
  });

  it('takes a context with more on it as options', async () => {
    const queue = new JobQueue({ name: 'q', url: 'memory:' });
    const ctx = { signal: new AbortController().signal, deadline: undefined, attempt: 1, more: true };
    expect(await queue.enqueue(1, ctx)).toMatchObject({ status: 'enqueued' });
    expect(await queue.enqueue(1, { ...ctx, id: 'a' })).toEqual({ status: 'enqueued', id: 'a' });
  });

  it('says what happened', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const queue = new JobQueue({ name: 'q', url: 'memory:' });
    await queue.enqueue(1, { id: 'a' });
    await queue.enqueue(1, { id: 'a' });
    expect(events.map(({ type, name, data }) => [type, name, data])).toEqual([
      ['job.enqueued', 'q', { id: 'a' }],
      ['job.duplicate', 'q', { id: 'a' }],
    ]);
  });
});

describe('enqueueMany', () => {
  it('answers in order, duplicates within the batch included', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:' });
    await queue.enqueue(0, { id: 'b' });
    const results = await queue.enqueueMany([
      { payload: 1, id: 'a' },
      { payload: 2, id: 'b' },
      { payload: 3, id: 'a' },
    ]);
    expect(results).toEqual([
      { status: 'enqueued', id: 'a' },
      { status: 'duplicate', id: 'b' },
      { status: 'duplicate', id: 'a' },
    ]);
    expect(await queue.enqueueMany([])).toEqual([]);
  });

  it('waits once for room for all, and takes all or none', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 3 });
    await queue.enqueue(0);
    await queue.enqueue(0);
    await expect(queue.enqueueMany([{ payload: 1 }, { payload: 2 }], { maxWaitMs: 0 })).rejects.toMatchObject(
      {
        code: 'QUEUE_FULL',
      },
    );
    expect(await queue.stats()).toMatchObject({ depth: 2 });
    const waiting = queue.enqueueMany([{ payload: 1 }, { payload: 2 }, { payload: 3 }]);
    queue.consume(() => {});
    expect(await waiting).toHaveLength(3);
    await queue.drain();
    await queue[Symbol.asyncDispose]();
  });

  it('refuses a batch that can never fit', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 2 });
    const jobs = [{ payload: 1 }, { payload: 2 }, { payload: 3 }];
    await expect(queue.enqueueMany(jobs)).rejects.toThrow('jobs must be at most 2, or they never fit, got 3');
    expect(await queue.enqueueMany(jobs.slice(1))).toHaveLength(2);
  });

  it('names the job that cannot be encoded, and takes none', async () => {
    const { engine, queue } = scripted({});
    await expect(queue.enqueueMany([{ payload: 1 }, { payload: [1n] }])).rejects.toMatchObject({
      code: 'PAYLOAD_INVALID',
      path: 'jobs[1].payload[0]',
    });
    expect(engine.accepted).toEqual([]);
  });

  it('refuses a wait on a single job, which nobody would read', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:' });
    const job = { payload: 1, maxWaitMs: 5 };
    await expect(queue.enqueueMany([job])).rejects.toThrow('jobs[0].maxWaitMs must be absent');
    await expect(queue.enqueueMany(null as never)).rejects.toThrow(TypeError);
    await expect(queue.enqueueMany([null as never])).rejects.toThrow(TypeError);
  });
});
