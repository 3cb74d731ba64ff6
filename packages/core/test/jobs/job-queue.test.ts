import { afterEach, describe, expect, it, vi } from 'vitest';
import { JobQueue } from '../../src/jobs/job-queue.ts';

afterEach(() => vi.useRealTimers());

describe('JobQueue', () => {
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

  it('retries after the back-off and buries after the last start', async () => {
    vi.useFakeTimers();
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
    await vi.advanceTimersByTimeAsync(99);
    expect(attempts).toEqual([1]);
    await vi.advanceTimersByTimeAsync(1);
    expect(attempts).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(200);
    expect(attempts).toEqual([1, 2, 3]);
    const [dead] = await queue.deadLetters.list();
    expect(dead).toMatchObject({
      id: 'a',
      payload: 'a',
      attempts: 3,
      error: { name: 'Error', message: 'no' },
    });
    expect(await queue.deadLetters.requeue('a')).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(attempts).toEqual([1, 2, 3, 1, 2, 3]);
    await queue[Symbol.asyncDispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps the depth', async () => {
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
});
