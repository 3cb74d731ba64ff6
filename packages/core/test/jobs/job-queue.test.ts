import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JobQueue } from '../../src/jobs/job-queue.ts';
import { backoff } from '../../src/resilience/backoff.ts';
import { ScriptedEngine, type Script } from './scripted-engine.ts';

const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function scripted(script: Script, options: object = {}): JobQueue<string> {
  return new JobQueue<string>({
    name: 'q',
    url: 'script:',
    engines: [new ScriptedEngine(script)],
    ...options,
  });
}

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

describe('JobQueue', () => {
  it('makes nothing and reaches nothing when it is constructed', () => {
    const open = vi.fn<() => Promise<void>>();
    const controller = vi.spyOn(globalThis, 'AbortController');
    const random = vi.spyOn(Math, 'random');
    const queue = scripted({ open });
    expect(queue.name).toBe('q');
    expect(open).not.toHaveBeenCalled();
    expect(controller).not.toHaveBeenCalled();
    expect(random).not.toHaveBeenCalled();
    controller.mockRestore();
    random.mockRestore();
  });

  it('shows the capabilities of its engine', () => {
    expect(new JobQueue({ name: 'q', url: 'memory:' }).capabilities.reach).toBe('process');
    expect(scripted({ capabilities: { reach: 'host' } }).capabilities.reach).toBe('host');
  });

  it('runs what was enqueued, in order, and is drained', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:' });
    const seen: number[] = [];
    const loop = queue.consume((n) => void seen.push(n));
    for (let n = 0; n < 5; n += 1) await queue.enqueue(n);
    expect(await queue.drain()).toEqual({ drained: true, left: 0, leaked: [] });
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    await queue[Symbol.asyncDispose]();
    await loop.done;
    expect(loop.running).toBe(false);
  });

  it('waits between starts as its back-off says, and buries after the last', async () => {
    const queue = new JobQueue<string>({
      name: 'q',
      url: 'memory:',
      retry: { maxRetries: 2, baseDelayMs: 100, jitter: 'none' },
    });
    const attempts: number[] = [];
    queue.consume((_, { attempt }) => {
      attempts.push(attempt);
      throw new Error('no');
    });
    await queue.enqueue('a', { id: 'a' });
    await tick(99);
    expect(attempts).toEqual([1]);
    await tick(1);
    expect(attempts).toEqual([1, 2]);
    await tick(200);
    expect(attempts).toEqual([1, 2, 3]);
    const [dead] = await queue.deadLetters.list();
    expect(dead).toMatchObject({
      id: 'a',
      payload: 'a',
      attempts: 3,
      error: { name: 'Error', message: 'no' },
    });
    expect(await queue.deadLetters.requeue('a')).toBe(true);
    await tick(1_000);
    expect(attempts).toEqual([1, 2, 3, 1, 2, 3]);
    await queue[Symbol.asyncDispose]();
  });

  it('plays a back-off that grows from its last value from the start, since attempts may be of different processes', async () => {
    const values = [0.9, 0.1, 0.5, 0.7];
    const random = (): (() => number) => {
      let n = 0;
      return () => values[n++ % values.length] ?? 0;
    };
    const retry = { jitter: 'decorrelated' as const, baseDelayMs: 100, maxDelayMs: 1_000, maxRetries: 3 };
    const play = backoff({ ...retry, random: random() });
    const expected = [play(1), play(2), play(3)].at(-1);
    const delays: number[] = [];
    const engine = new ScriptedEngine();
    const queue = new JobQueue<string>({
      name: 'q',
      url: 'script:',
      engines: [engine],
      retry: { ...retry, random: random() },
    });
    queue.consume(() => {
      throw new Error('x');
    });
    await tick();
    engine.push('x', { attempt: 3 });
    await tick();
    delays.push(Number(engine.log.at(-1)?.split(' ')[1]));
    expect(delays).toEqual([expected]);
  });

  it('never holds more than maxDepth, and admits the next one when a job is finished', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 2 });
    await queue.enqueue(1);
    await queue.enqueue(2);
    await expect(queue.enqueue(3, { maxWaitMs: 0 })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    const waiting = queue.enqueue(4);
    queue.consume(() => {});
    await waiting;
    await queue.drain();
    await queue[Symbol.asyncDispose]();
  });

  it('pauses the whole queue, for every consumer', async () => {
    const queue = new JobQueue<string>({ name: 'q', url: 'memory:' });
    const seen: string[] = [];
    queue.consume((payload) => void seen.push(payload));
    await queue.pause();
    await queue.enqueue('a');
    await tick();
    expect(seen).toEqual([]);
    expect(await queue.health()).toEqual({ status: 'degraded', detail: 'paused' });
    await queue.resume();
    await tick();
    expect(seen).toEqual(['a']);
  });

  it('refuses to pause where the engine can only pause a consumer', async () => {
    for (const script of [{}, { setPaused: async () => {}, capabilities: { pause: 'consumer' as const } }]) {
      const queue = scripted(script);
      await expect(queue.pause()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
      await expect(queue.resume()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    }
  });

  it.each([
    ['no options', undefined, TypeError],
    ['no name', { url: 'memory:' }, TypeError],
    ['an empty name', { name: '', url: 'memory:' }, RangeError],
    ['no URL', { name: 'q' }, TypeError],
    ['an unknown scheme', { name: 'q', url: 'x:' }, RangeError],
    ['an unknown option', { name: 'q', url: 'memory:', concurrency: 1 }, TypeError],
    ['a depth of 0', { name: 'q', url: 'memory:', maxDepth: 0 }, RangeError],
    ['a depth that is a fraction', { name: 'q', url: 'memory:', maxDepth: 1.5 }, RangeError],
    ['an unknown overflow', { name: 'q', url: 'memory:', overflow: 'drop-newest' }, RangeError],
    ['retries that are none', { name: 'q', url: 'memory:', retry: null }, TypeError],
    ['retries below 0', { name: 'q', url: 'memory:', retry: { maxRetries: -1 } }, RangeError],
    ['a bad jitter', { name: 'q', url: 'memory:', retry: { jitter: 'some' } }, RangeError],
    ['a payload bound of 0', { name: 'q', url: 'memory:', maxPayloadBytes: 0 }, RangeError],
    ['a pending bound as text', { name: 'q', url: 'memory:', maxPending: '1' }, TypeError],
  ])('throws on %s', (_name, options, kind) => {
    expect(() => new JobQueue(options as never)).toThrow(kind);
  });
});

describe('deadLetters', () => {
  it('shows a body that is no JSON as it is', async () => {
    const letter = {
      id: 'a',
      payload: '{',
      attempts: 1,
      diedAt: new Date(),
      error: { name: 'E', message: '' },
      cursor: '1',
    };
    const queue = scripted({ dead: { list: async () => [letter] } });
    expect(await queue.deadLetters.list()).toEqual([letter]);
  });

  it('lists a hundred where nothing else is asked for', async () => {
    const asked: unknown[] = [];
    const queue = scripted({
      dead: {
        list: async (...args) => {
          asked.push(args);
          return [];
        },
      },
    });
    await queue.deadLetters.list();
    await queue.deadLetters.list({ limit: 5, cursor: 'c' });
    expect(asked).toEqual([
      ['q', { limit: 100, cursor: undefined }],
      ['q', { limit: 5, cursor: 'c' }],
    ]);
  });

  it('requeues only where there is room', async () => {
    const queue = new JobQueue<string>({ name: 'q', url: 'memory:', maxDepth: 1, retry: { maxRetries: 0 } });
    const loop = queue.consume(() => {
      throw new Error('x');
    });
    await queue.enqueue('a', { id: 'a' });
    await queue.drain();
    await loop.stop();
    await queue.enqueue('b');
    await expect(queue.deadLetters.requeue('a')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(await queue.deadLetters.remove('a')).toBe(true);
    expect(await queue.deadLetters.remove('a')).toBe(false);
    expect(await queue.deadLetters.requeue('a')).toBe(false);
  });

  it('keeps the sample of a sampled engine right', async () => {
    let found = false;
    const queue = scripted(
      { capabilities: { backpressure: 'sampled' }, dead: { requeue: async () => found } },
      { maxDepth: 1, overflow: 'reject' },
    );
    expect(await queue.deadLetters.requeue('a')).toBe(false);
    found = true;
    expect(await queue.deadLetters.requeue('a')).toBe(true);
    await expect(queue.enqueue('b')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  });

  it.each([
    ['limit', { limit: 0 }, RangeError],
    ['limit', { limit: 1_001 }, RangeError],
    ['limit', { limit: '5' }, TypeError],
    ['cursor', { cursor: '' }, RangeError],
    ['option', { page: 1 }, TypeError],
    ['options', null, TypeError],
  ])('rejects a bad %s', async (_name, options, kind) => {
    const { deadLetters } = new JobQueue({ name: 'q', url: 'memory:' });
    await expect(deadLetters.list(options as never)).rejects.toThrow(kind);
  });

  it('rejects an id that is none', async () => {
    const { deadLetters } = new JobQueue({ name: 'q', url: 'memory:' });
    await expect(deadLetters.requeue('')).rejects.toThrow(RangeError);
    await expect(deadLetters.remove(1 as never)).rejects.toThrow(TypeError);
  });
});

describe('stats', () => {
  it('has the numbers of the engine and of this process', async () => {
    const queue = new JobQueue<string>({ name: 'q', url: 'memory:', maxDepth: 9 });
    queue.consume(async () => {});
    await queue.enqueue('a');
    await queue.drain();
    await queue.enqueue('late', { delayMs: 1_000 });
    expect(await queue.stats()).toEqual({
      waiting: 0,
      active: 0,
      delayed: 1,
      dead: 0,
      paused: false,
      oldestAgeMs: 0,
      depth: 1,
      capacity: 9,
      pending: 0,
      inFlight: 0,
      delayP50Ms: 0,
      delayP99Ms: 0,
      completed: 1,
      retried: 0,
      released: 0,
      died: 0,
      leaseLost: 0,
    });
    queue.cancel();
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await queue[Symbol.asyncDispose]();
    warned.mockRestore();
  });

  it('invents no number that the engine does not know, or cannot tell now', async () => {
    const partial = scripted({ counts: async () => ({ waiting: 3 }) });
    expect(await partial.stats()).toMatchObject({ waiting: 3, depth: undefined });
    const down = scripted({ counts: () => Promise.reject(new Error('down')) });
    expect(await down.stats()).not.toHaveProperty('waiting');
  });
});

describe('health', () => {
  it('is up when the engine answers, and degraded when the queue is full', async () => {
    const queue = new JobQueue<string>({ name: 'q', url: 'memory:', maxDepth: 1 });
    expect(await queue.health()).toEqual({ status: 'up' });
    await queue.enqueue('a');
    expect(await queue.health()).toEqual({ status: 'degraded', detail: 'full (1 jobs)' });
  });

  it('is down when the engine does not answer, in two seconds at most', async () => {
    const down = scripted({ counts: () => Promise.reject(new Error('no engine')) });
    expect(await down.health()).toEqual({ status: 'down', detail: 'no engine' });
    const hangs = scripted({ counts: () => new Promise(() => {}) }).health();
    await tick(2_000);
    expect(await hangs).toMatchObject({ status: 'down' });
  });

  it('is down once it is closed', async () => {
    const queue = new JobQueue<string>({ name: 'q', url: 'memory:' });
    queue.close();
    expect(await queue.health()).toEqual({ status: 'down', detail: 'closed' });
  });
});
