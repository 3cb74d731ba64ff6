import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BoundedQueue,
  Service,
  ShuttingDownError,
  type CallOptions,
  type ShutdownPhase,
} from '../../src/index.ts';
import { ADOPT, EXECUTION, Execution, executionOf, type Door } from '../../src/internal.ts';
import { defer, watch } from './watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

/** A door whose phases the test opens and shuts. */
class TestDoor implements Door {
  readonly owner = {};
  shut = false;
  readonly #phases = new Map<ShutdownPhase, AbortController>();

  refusal(options: CallOptions | undefined): ShuttingDownError | undefined {
    if (!this.shut || executionOf(options)?.isOwnedBy(this.owner)) return undefined;
    return new ShuttingDownError('relay');
  }

  signalAt(phase: ShutdownPhase): AbortSignal {
    return this.#controller(phase).signal;
  }

  begin(phase: ShutdownPhase): void {
    this.#controller(phase).abort(new ShuttingDownError('relay'));
  }

  #controller(phase: ShutdownPhase): AbortController {
    const controller = this.#phases.get(phase) ?? new AbortController();
    this.#phases.set(phase, controller);
    return controller;
  }
}

const adopted = (capacity = 10): { queue: BoundedQueue<number>; door: TestDoor } => {
  const queue = new BoundedQueue<number>({ name: 'mail', capacity });
  const door = new TestDoor();
  queue[ADOPT](door);
  return { queue, door };
};

describe('a queue behind the door of its service', () => {
  it('refuses new work with ShuttingDownError when the door is shut, and lets tracked work pass by its context', async () => {
    const { queue, door } = adopted();
    door.shut = true;
    await expect(queue.put(1)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(queue.tryPut(1)).toBe(false);
    const contexts: CallOptions[] = [];
    door.shut = false;
    queue.consume((_, ctx) => void contexts.push({ ...ctx }));
    await queue.put(1);
    await settled();
    door.shut = true;
    await expect(queue.put(2, contexts[0])).resolves.toBeUndefined();
    expect(await queue.drain()).toMatchObject({ drained: true });
  });

  it('rejects puts that wait with ShuttingDownError when the service closes it', async () => {
    const { queue, door } = adopted(1);
    await queue.put(1);
    const blocked = watch(queue.put(2));
    door.shut = true;
    queue.close();
    await settled();
    expect(blocked.outcome).toMatchObject({ error: { code: 'SHUTTING_DOWN' } });
    expect((await queue.take()).value).toBe(1);
    await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('stops its producers at the lame duck, old and new, and lets consumers go on', async () => {
    const queue = new BoundedQueue<number>({ capacity: 2 });
    const before = queue.produce(() => undefined);
    const door = new TestDoor();
    queue[ADOPT](door);
    const after = queue.produce([1, 2, 3, 4]);
    await settled();
    door.begin('lame-duck');
    await before.done;
    expect([before.running, after.running]).toEqual([false, false]);
    const seen: number[] = [];
    const consumer = queue.consume((value) => void seen.push(value));
    await after.done;
    await settled();
    expect(seen).toEqual([1, 2, 3]);
    expect(consumer.running).toBe(true);
    const late = queue.produce([9]);
    await late.done;
    expect(queue.size).toBe(0);
  });

  it('runs the source of a producer as work of the service', async () => {
    const { queue, door } = adopted();
    const owned: unknown[] = [];
    const loop = queue.produce((ctx) => (owned.push(executionOf(ctx)?.isOwnedBy(door.owner)), undefined));
    await settled();
    await loop.stop();
    expect(owned).toEqual([true]);
  });

  it('leaves nothing on the signal of the lame duck when its producers have ended', async () => {
    const { queue, door } = adopted();
    const signal = door.signalAt('lame-duck');
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 100 }, () => queue.produce([]).done));
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
  });

  it('hands the execution of its caller on', async () => {
    const { queue } = adopted();
    const parent = new Execution(undefined);
    const hung = defer();
    const options = { concurrency: 1, [EXECUTION]: parent };
    queue.consume((_, ctx) => executionOf(ctx)?.abandon(hung.promise), options);
    queue.tryPut(1);
    await settled();
    expect(parent.abandoned).toBe(1);
    hung.resolve();
    await settled();
    expect(parent.abandoned).toBe(0);
  });
});

const shutDown = async (service: Service): ReturnType<Service['shutdown']> => {
  const report = service.shutdown();
  await vi.advanceTimersByTimeAsync(60_000);
  return report;
};

describe('a queue in a shutdown', () => {
  it('is drained: producers stop, what was accepted is handled, and the outcome is clean', async () => {
    const service = new Service({ name: 'relay' });
    const queue = service.own(new BoundedQueue<number>({ name: 'mail', capacity: 3 }));
    const handled: number[] = [];
    let next = 0;
    const producer = queue.produce(async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return (next += 1);
    });
    const consumer = queue.consume(async (value) => {
      await new Promise((resolve) => setTimeout(resolve, 40));
      handled.push(value);
    });
    await service.start();
    await vi.advanceTimersByTimeAsync(1_000);
    const report = await shutDown(service);
    expect(report.outcome).toBe('clean');
    expect(report.components['mail']).toEqual({ drained: true, left: 0, leaked: [] });
    expect(handled).toEqual(Array.from({ length: next }, (_, item) => item + 1));
    expect([producer.running, consumer.running, queue.closed]).toEqual([false, false, true]);
    await expect(queue.put(1)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails the shutdown when accepted items are lost, and counts them', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const service = new Service({ name: 'relay' });
    const queue = service.own(new BoundedQueue<number>({ name: 'mail', capacity: 10 }));
    queue.consume(
      (_, { signal }) =>
        new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    await service.start();
    for (const item of [1, 2, 3]) await queue.put(item);
    const report = await shutDown(service);
    expect(report.outcome).toBe('failed');
    expect(report.components['mail']).toMatchObject({ drained: false, left: 3, leaked: [] });
  });

  it('is leaked by a handler that ignores its abort', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const service = new Service({ name: 'relay' });
    const queue = service.own(new BoundedQueue<number>({ name: 'mail', capacity: 10 }));
    queue.consume(() => new Promise(() => {}));
    await service.start();
    await queue.put(1);
    const report = await shutDown(service);
    expect(report.outcome).not.toBe('clean');
    expect(report.leaked).toEqual(['consumer of queue "mail"']);
  });
});
