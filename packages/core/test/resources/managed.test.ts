import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, Semaphore, managed } from '../../src/index.ts';

const thrower = (): never => {
  throw new Error('sync');
};
const never = (): Promise<never> => new Promise(() => {});

describe('managed', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('releases at the end of the block, also when it throws, and waits for it', async () => {
    const log: string[] = [];
    const block = async (): Promise<void> => {
      await using connection = await managed(
        async () => 'connection',
        async (value) => {
          await Promise.resolve();
          log.push(`released ${value}`);
        },
      );
      log.push(`used ${connection.value}`);
      throw new Error('body');
    };
    await expect(block()).rejects.toThrow('body');
    expect(log).toEqual(['used connection', 'released connection']);
  });

  it('releases once, and everybody who disposes waits for that', async () => {
    let finish: (() => void) | undefined;
    const release = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)));
    const resource = await managed(() => 1, release);
    const both = [resource[Symbol.asyncDispose](), resource[Symbol.asyncDispose]()];
    finish?.();
    await Promise.all(both);
    expect(release).toHaveBeenCalledTimes(1);
  });

  it('rejects with what acquiring throws, and releases nothing then', async () => {
    const release = vi.fn();
    await expect(managed(() => Promise.reject('no'), release)).rejects.toBe('no');
    await expect(managed(thrower, release)).rejects.toThrow('sync');
    await vi.advanceTimersByTimeAsync(0);
    expect(release).not.toHaveBeenCalled();
  });

  it('releases what is acquired after its caller has left', async () => {
    const controller = new AbortController();
    const release = vi.fn();
    let arrive: ((value: string) => void) | undefined;
    const outcome = managed(() => new Promise<string>((resolve) => (arrive = resolve)), release, {
      signal: controller.signal,
    });
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(release).not.toHaveBeenCalled();
    arrive?.('late');
    await vi.advanceTimersByTimeAsync(0);
    expect(release).toHaveBeenCalledExactlyOnceWith('late', expect.anything());
  });

  it.each([0, 1, 2, 3, 4, 5, 6])(
    'either delivers or releases, when the caller leaves %i microtasks after the resource has come',
    async (offset) => {
      const controller = new AbortController();
      const release = vi.fn();
      let arrive: ((value: string) => void) | undefined;
      const outcome = managed(() => new Promise<string>((resolve) => (arrive = resolve)), release, {
        signal: controller.signal,
      }).then(
        () => 'delivered',
        () => 'left',
      );
      arrive?.('resource');
      for (let tick = 0; tick < offset; tick += 1) await Promise.resolve();
      controller.abort();
      const result = await outcome;
      await vi.advanceTimersByTimeAsync(0);
      expect(release).toHaveBeenCalledTimes(result === 'delivered' ? 0 : 1);
    },
  );

  it('releases what comes after the deadline, and holds the caller’s slot until it has', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    let arrive: (() => void) | undefined;
    let released: (() => void) | undefined;
    const outcome = semaphore.execute(
      (ctx) =>
        managed(
          () => new Promise<void>((resolve) => (arrive = resolve)),
          () => new Promise<void>((resolve) => (released = resolve)),
          ctx,
        ),
      { deadline: Deadline.after(10) },
    );
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    arrive?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(semaphore.inUse).toBe(1);
    released?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(semaphore.inUse).toBe(0);
  });

  it('shields the release from its caller’s abort, for releaseTimeoutMs', async () => {
    const controller = new AbortController();
    let aborted: boolean | undefined;
    const resource = await managed(
      () => 1,
      (_, { signal }) => {
        aborted = signal.aborted;
        return new Promise<void>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      },
      { signal: controller.signal, releaseTimeoutMs: 100 },
    );
    controller.abort();
    const outcome = expect(resource[Symbol.asyncDispose]()).rejects.toMatchObject({
      code: 'TIMEOUT',
      timeoutMs: 100,
    });
    expect(aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(100);
    await outcome;
  });

  it('gives up a release that hangs after five seconds', async () => {
    const resource = await managed(() => 1, never);
    const outcome = expect(resource[Symbol.asyncDispose]()).rejects.toMatchObject({ timeoutMs: 5_000 });
    await vi.advanceTimersByTimeAsync(5_000);
    await outcome;
  });

  it('reports the failure of a release that nobody waits for', async () => {
    const report = vi.spyOn(console, 'error').mockImplementation(() => {});
    const controller = new AbortController();
    let arrive: (() => void) | undefined;
    const outcome = managed(
      () => new Promise<void>((resolve) => (arrive = resolve)),
      () => Promise.reject('stuck'),
      { signal: controller.signal },
    );
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    arrive?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(report).toHaveBeenCalledExactlyOnceWith('stuck');
    report.mockRestore();
  });

  it('does not start for a caller who has left', async () => {
    const acquire = vi.fn();
    await expect(managed(acquire, vi.fn(), { signal: AbortSignal.abort('left') })).rejects.toBe('left');
    expect(acquire).not.toHaveBeenCalled();
  });

  it('leaves no listener on a signal that outlives ten thousand resources, and no timer', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const use = async (): Promise<void> => {
      await using _ = await managed(
        async () => 1,
        async () => {},
        { signal },
      );
    };
    await Promise.all(Array.from({ length: 10_000 }, use));
    expect(added.mock.calls.length).toBe(removed.mock.calls.length);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('rejects bad input by type and by range', async () => {
    const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    const bad: unknown[][] = [
      [null, never],
      [never, null],
      [never, never, null],
      [never, never, { releaseTimeoutMs: '1' }],
    ];
    for (const args of bad) await expect(Reflect.apply(managed, undefined, args)).rejects.toMatchObject(type);
    await expect(managed(never, never, { releaseTimeoutMs: 0 })).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});
