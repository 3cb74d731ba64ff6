import { describe, expect, it, vi } from 'vitest';
import {
  BoundedQueue,
  JobQueue,
  Semaphore,
  ShuttingDownError,
  TaskManager,
  sleep,
  type Component,
} from '../../src/index.ts';
import { durations, never, service, stop, useFakeTime, within } from './fake-time.ts';

useFakeTime();

describe('a service and its queues', () => {
  it('works off the backlog of an in-memory queue, while producers stop at the lame duck', async () => {
    const owner = service({ phases: { 'lame-duck': 100 } });
    const queue = owner.own(new BoundedQueue<number>({ name: 'queue', capacity: 100 }));
    const done: number[] = [];
    let next = 0;
    queue.produce(
      async ({ signal }) => {
        await sleep(10, { signal });
        return (next += 1);
      },
      { idleMs: 10 },
    );
    queue.consume(async (n) => {
      await sleep(15);
      done.push(n);
    });
    await vi.advanceTimersByTimeAsync(1_000);
    const produced = next;
    const report = await stop(owner);
    expect(next - produced).toBeLessThanOrEqual(1);
    expect(done).toEqual(Array.from({ length: done.length }, (_, index) => index + 1));
    expect(done.length).toBeGreaterThanOrEqual(produced);
    expect(report).toMatchObject({ outcome: 'clean', components: { queue: { drained: true, left: 0 } } });
  });

  it('lets one queue feed another by its ctx during the drain, in both orders of registration', async () => {
    for (const order of [
      ['first', 'second'],
      ['second', 'first'],
    ]) {
      const owner = service();
      const queues = new Map(
        order.map((name) => [name, owner.own(new BoundedQueue<number>({ name, capacity: 10 }))]),
      );
      const [first, second] = [queues.get('first'), queues.get('second')];
      const done: number[] = [];
      first?.consume(async (n, ctx) => {
        await sleep(100);
        await second?.put(n, ctx);
        await expect(second?.put(n)).rejects.toBeInstanceOf(ShuttingDownError);
      });
      second?.consume(async (n) => {
        await sleep(100);
        done.push(n);
      });
      for (let n = 0; n < 5; n += 1) await first?.put(n);
      await vi.advanceTimersByTimeAsync(10);
      const report = await stop(owner);
      expect(done).toEqual([0, 1, 2, 3, 4]);
      expect(report).toMatchObject({ outcome: 'clean', durationMs: 590 });
    }
  });

  it('admits a put that a request has waiting when the intake ends', async () => {
    const owner = service();
    const queue = owner.own(new BoundedQueue<number>({ name: 'queue', capacity: 1 }));
    const handle = owner.openScope();
    await queue.put(1);
    const waits = queue.put(2, handle.scope).then(() => handle.end());
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    queue.consume(() => sleep(10));
    await vi.advanceTimersByTimeAsync(100);
    await waits;
    expect(await promise).toMatchObject({ outcome: 'clean', requests: { drained: 1, cancelled: 0 } });
  });

  it('says failed, and how many, where items are left', async () => {
    const owner = service();
    const queue = owner.own(new BoundedQueue<number>({ name: 'queue', capacity: 10 }));
    queue.consume((_, { signal }) => sleep(60_000, { signal }));
    for (let n = 0; n < 3; n += 1) await queue.put(n);
    const report = await stop(owner);
    expect(report).toMatchObject({
      outcome: 'failed',
      leaked: [],
      components: { queue: { drained: false, left: 3 } },
    });
    expect(durations(report)).toMatchObject({ drain: 10_000, cancel: 0, close: 0 });
  });

  it('says leaked at least, and who, where a handler ignores its abort', async () => {
    const owner = service();
    const queue = owner.own(new BoundedQueue<number>({ name: 'queue', capacity: 10 }));
    queue.consume(never);
    await queue.put(1);
    const report = await stop(owner);
    expect(report.outcome).not.toBe('clean');
    expect(report.leaked).toHaveLength(1);
    expect(report.components['queue']).toMatchObject({ drained: false, left: 1 });
  });

  it('finishes jobs in memory, and says failed where they are left', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    for (const hangs of [false, true]) {
      const owner = service();
      const jobs = owner.own(new JobQueue<number>({ name: 'jobs', url: 'memory:' }));
      await owner.start();
      jobs.consume((_, { signal }) => sleep(hangs ? 60_000 : 500, { signal }));
      await jobs.enqueue(1);
      await jobs.enqueue(2);
      await vi.advanceTimersByTimeAsync(10);
      const report = await stop(owner);
      expect(report.components['jobs']).toEqual({ drained: !hangs, left: hangs ? 2 : 0, leaked: [] });
      expect(report.outcome).toBe(hangs ? 'failed' : 'clean');
    }
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });
});

describe('a service and its other primitives', () => {
  it('lets calls in line for a semaphore finish', async () => {
    const owner = service();
    const semaphore = owner.own(new Semaphore({ name: 'gate', maxConcurrent: 1 }));
    const calls = [1, 2, 3].map((n) => semaphore.execute(() => sleep(100).then(() => n)));
    const report = await stop(owner);
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
    expect(report).toMatchObject({
      outcome: 'clean',
      durationMs: 300,
      components: { gate: { drained: true } },
    });
  });

  it('stays clean where calls in line are turned away at the cancel phase: their callers know', async () => {
    const owner = service({ phases: { drain: 100 } });
    const semaphore = owner.own(new Semaphore({ name: 'gate', maxConcurrent: 1 }));
    const runs = semaphore.execute(({ signal }) => sleep(60_000, { signal }), {
      signal: owner.signalAt('cancel'),
    });
    const waits = semaphore.execute(() => 1);
    const outcomes = Promise.allSettled([runs, waits]);
    const report = await stop(owner);
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ reason: { code: 'SHUTTING_DOWN' } });
    expect(report).toMatchObject({
      outcome: 'clean',
      components: { gate: { drained: false, left: 2, leaked: [] } },
    });
  });

  it('names the tasks of other managers', async () => {
    const owner = service();
    const mail = owner.own(new TaskManager({ name: 'mail' }));
    mail.spawn(never, { name: 'welcome' });
    expect(await stop(owner)).toMatchObject({
      outcome: 'leaked',
      leaked: ['welcome'],
      components: { mail: { drained: false, left: 1, leaked: ['welcome'] } },
    });
  });

  it('refuses from outside, and lets in what its own work brings', async () => {
    const owner = service();
    const semaphore = owner.own(new Semaphore({ name: 'gate', maxConcurrent: 1 }));
    const inside = owner.tasks.spawn(async (ctx) => {
      await sleep(100);
      return semaphore.execute(() => 'tracked', ctx);
    });
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(50);
    await expect(semaphore.execute(() => 'outside')).rejects.toBeInstanceOf(ShuttingDownError);
    await within(100, promise);
    expect(await inside).toBe('tracked');
  });

  it('owns what has nothing but a name, and what has all of it', async () => {
    const verbs: string[] = [];
    const all: Component = {
      name: 'all',
      open: () => void verbs.push('open'),
      close: () => void verbs.push('close'),
      drain: async () => (verbs.push('drain'), { drained: true, left: 0, leaked: [] }),
      cancel: () => void verbs.push('cancel'),
      stats: () => ({ n: 1 }),
      health: () => ({ status: 'up' }),
      overload: () => undefined,
      [Symbol.asyncDispose]: async () => void verbs.push('dispose'),
    };
    const owner = service();
    owner.own({ name: 'nothing' });
    owner.own(all);
    await owner.start();
    owner.openScope().end();
    expect((await owner.stats())['all']).toEqual({ n: 1 });
    const report = await stop(owner);
    expect(verbs).toEqual(['open', 'close', 'drain', 'drain', 'dispose']); // idle twice, and left in peace after
    expect(Object.keys(report.components)).toEqual(['all']);
  });
});
