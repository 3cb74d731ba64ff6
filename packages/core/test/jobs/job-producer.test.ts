import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { subscribe, type HoldfastEvent } from '../../src/events/bus.ts';
import type { WireJob } from '../../src/jobs/engine.ts';
import { JobQueue } from '../../src/jobs/job-queue.ts';
import { Service } from '../../src/service/service.ts';
import { ScriptedEngine } from './scripted-engine.ts';

const tick = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('produce', () => {
  it('enqueues what it iterates, waits for room, and ends with it', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 2 });
    const loop = queue.produce([1, 2, 3, 4]);
    await tick();
    expect(await queue.stats()).toMatchObject({ depth: 2, pending: 1 });
    const seen: number[] = [];
    queue.consume((n) => void seen.push(n));
    await loop.done;
    await queue.drain();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(loop.running).toBe(false);
    await queue.enqueue(5);
    await queue.drain();
  });

  it('waits for room also where others are refused', async () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 1, overflow: 'reject' });
    const loop = queue.produce([1, 2]);
    await tick(1_000);
    expect(loop.running).toBe(true);
    queue.consume(() => {});
    await tick(100);
    await loop.done;
    expect(await queue.stats()).toMatchObject({ completed: 2 });
  });

  it('asks a function again and again, and sleeps where it has nothing now', async () => {
    const queue = new JobQueue<string>({ name: 'q', url: 'memory:' });
    const items = ['a', undefined, 'b'];
    let asked = 0;
    const loop = queue.produce(() => items[asked++], { idleMs: 50 });
    await tick(49);
    expect(asked).toBe(2);
    await tick(1);
    expect(asked).toBe(4);
    await loop.stop();
    expect(await queue.stats()).toMatchObject({ depth: 2 });
  });

  it('keeps an item in hand, as the same job, until the engine takes it', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const asked: WireJob[] = [];
    const engine = new ScriptedEngine({
      enqueue: async (_queue, jobs) => {
        asked.push(...jobs);
        if (asked.length < 3) throw new Error('down');
        return jobs.map(({ id }) => ({ status: 'enqueued', id }));
      },
    });
    const queue = new JobQueue<string>({ name: 'q', url: 'script:', engines: [engine] });
    const loop = queue.produce(['a'], { errorDelayMs: 200 });
    await tick(400);
    await loop.done;
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1);
    expect(events.filter(({ type }) => type === 'queue.producer-failed')).toMatchObject([
      { data: { delayMs: 200 } },
      { data: { delayMs: 200 } },
    ]);
  });

  it('says which item can never be accepted, and goes on with the next', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const queue = new JobQueue<unknown>({ name: 'q', url: 'memory:' });
    const loop = queue.produce([1, 2n, 3]);
    await loop.done;
    expect(await queue.stats()).toMatchObject({ depth: 2 });
    expect(said).toHaveBeenCalledOnce();
    said.mockRestore();
  });

  it('ends when the queue is closed, and says what it had in hand', async () => {
    const events: HoldfastEvent[] = [];
    using _listening = subscribe((event) => events.push(event));
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 1 });
    const loop = queue.produce([1, 2, 3]);
    await tick();
    queue.close();
    await loop.done;
    expect(events.at(-1)).toMatchObject({
      type: 'queue.producer-failed',
      data: { error: { code: 'QUEUE_CLOSED' } },
    });
    expect(await queue.stats()).toMatchObject({ depth: 1 });
  });

  it('ends while the engine is down when the queue is closed', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    const engine = new ScriptedEngine({ enqueue: () => Promise.reject(new Error('down')) });
    const queue = new JobQueue<string>({ name: 'q', url: 'script:', engines: [engine] });
    const loop = queue.produce(['a']);
    await tick();
    queue.close();
    await loop.done;
    expect(loop.running).toBe(false);
    said.mockRestore();
  });

  it('stops at the lame duck, and what it has in hand comes in though the door is shut', async () => {
    const service = new Service({ name: 's', shutdown: { budgetMs: 5_000 } });
    const queue = service.own(new JobQueue<number>({ name: 'q', url: 'memory:', maxDepth: 1 }));
    await service.start();
    const loop = queue.produce([1, 2, 3]);
    await tick();
    const seen: number[] = [];
    const shutdown = service.shutdown();
    await tick();
    queue.consume((n) => void seen.push(n));
    await tick(5_000);
    expect(await shutdown).toMatchObject({ outcome: 'clean' });
    await loop.done;
    expect(seen).toEqual([1, 2]);
  });

  it('throws on what is no source, and on bad options', () => {
    const queue = new JobQueue<number>({ name: 'q', url: 'memory:' });
    expect(() => queue.produce(5 as never)).toThrow(TypeError);
    expect(() => queue.produce([], { idleMs: -1 })).toThrow(RangeError);
    expect(() => queue.produce([], null as never)).toThrow(TypeError);
  });
});
