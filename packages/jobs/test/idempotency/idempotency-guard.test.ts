import {
  BulkheadFullError,
  Deadline,
  JobQueue,
  noRetry,
  subscribe,
  type HoldfastEvent,
} from '@holdfast/core';
import { isRefusal } from '@holdfast/core/internal';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  IdempotencyGuard,
  MemoryIdempotencyStore,
  type IdempotencyGuardOptions,
  type IdempotencyStore,
} from '../../src/index.ts';

let store: MemoryIdempotencyStore;
let guard: IdempotencyGuard;

beforeEach(() => {
  store = new MemoryIdempotencyStore();
  guard = new IdempotencyGuard({ store });
});
afterEach(() => void vi.useRealTimers());

/** A promise, and how to settle it. */
class Later<T> {
  resolve: (value: T) => void = () => {};
  reject: (error: unknown) => void = () => {};
  readonly promise: Promise<T> = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

function later<T>(): Later<T> {
  return new Later<T>();
}

describe('a key that was used before', () => {
  it('gives what it came to, without running anything', async () => {
    const fn = vi.fn<() => { id: number }>(() => ({ id: 7 }));
    expect(await guard.execute('k', fn)).toEqual({ id: 7 });
    expect(await guard.execute('k', fn)).toEqual({ id: 7 });
    expect(fn).toHaveBeenCalledTimes(1);
    expect(guard.stats()).toEqual({ running: 0, done: 1, failed: 0, replayed: 1, refused: 0, lost: 0 });
  });

  it('gives the same the first time as later: what JSON leaves of the result', async () => {
    const fn = (): { a: number; b?: undefined } => ({ a: 1, b: undefined });
    expect(await guard.execute('k', fn)).not.toHaveProperty('b');
    expect(await guard.execute('k', fn)).not.toHaveProperty('b');
  });

  it('gives nothing where nothing was returned', async () => {
    const fn = vi.fn<() => Promise<void>>(async () => {});
    expect(await guard.execute('k', fn)).toBeUndefined();
    expect(await guard.execute('k', fn)).toBeUndefined();
    expect(fn).toHaveBeenCalledTimes(1);
  });

  it('runs again after an error, and says that it was begun before', async () => {
    const attempts: number[] = [];
    const fail = new Error('busy');
    const fn = ({ attempt }: { attempt: number }): string => {
      attempts.push(attempt);
      if (attempt < 3) throw fail;
      return 'ok';
    };
    await expect(guard.execute('k', fn)).rejects.toBe(fail);
    await expect(guard.execute('k', fn)).rejects.toBe(fail);
    expect(await guard.execute('k', fn)).toBe('ok');
    expect(await guard.execute('k', fn)).toBe('ok');
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('runs again after an error that is final for its job: somebody may requeue that', async () => {
    let broken = true;
    const fn = ({ attempt }: { attempt: number }): number => {
      if (broken) throw noRetry(new RangeError('no such user'));
      return attempt;
    };
    await expect(guard.execute('k', fn)).rejects.toMatchObject({ code: 'NO_RETRY' });
    broken = false;
    expect(await guard.execute('k', fn)).toBe(2);
  });

  it('has failed for good where the error says so and is to be kept', async () => {
    guard = new IdempotencyGuard({ store, failures: 'keep' });
    const fn = vi.fn<() => never>(() => {
      throw noRetry(new RangeError('no such user'));
    });
    await expect(guard.execute('k', fn)).rejects.toMatchObject({ code: 'NO_RETRY', message: 'no such user' });
    await expect(guard.execute('k', fn)).rejects.toMatchObject({ code: 'NO_RETRY', message: 'no such user' });
    expect(fn).toHaveBeenCalledTimes(1);
  });

  it('runs again after a refusal, whatever that says of trying again', async () => {
    const full = new BulkheadFullError('b', 1, 0);
    await expect(guard.execute('k', () => Promise.reject(full))).rejects.toBe(full);
    expect(await guard.execute('k', () => 1)).toBe(1);
  });

  it('has failed for good where its result cannot be kept: the effect has happened', async () => {
    const fn = vi.fn<() => bigint>(() => 1n);
    await expect(guard.execute('k', fn)).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' });
    await expect(guard.execute('k', fn)).rejects.toMatchObject({ code: 'NO_RETRY' });
    expect(fn).toHaveBeenCalledTimes(1);
  });

  it('runs again once it was told to forget it, but not while it runs', async () => {
    await guard.execute('k', () => 1);
    expect(await guard.forget('k')).toBe(true);
    expect(await guard.forget('k')).toBe(false);
    const gate = later<number>();
    const running = guard.execute('k', () => gate.promise);
    expect(await guard.forget('k')).toBe(false);
    gate.resolve(2);
    expect(await running).toBe(2);
    await expect(guard.forget('')).rejects.toThrow('key');
  });

  it('is refused where it stood for something else', async () => {
    await guard.execute('k', () => 1, { fingerprint: 'a' });
    await expect(guard.execute('k', () => 2, { fingerprint: 'b' })).rejects.toMatchObject({
      code: 'KEY_REUSED',
      key: 'k',
      retryable: false,
    });
    expect(await guard.execute('k', () => 2, { fingerprint: 'a' })).toBe(1);
    expect(await guard.execute('k', () => 2)).toBe(1);
  });

  it('is forgotten after its time', async () => {
    vi.useFakeTimers();
    guard = new IdempotencyGuard({ store, ttlMs: 1_000 });
    await guard.execute('k', () => 1);
    vi.advanceTimersByTime(999);
    expect(await guard.execute('k', () => 2)).toBe(1);
    vi.advanceTimersByTime(1);
    expect(await guard.execute('k', () => 2)).toBe(2);
  });

  it('takes expired keys with it, once a minute', async () => {
    vi.useFakeTimers();
    guard = new IdempotencyGuard({ store, ttlMs: 1_000 });
    for (let n = 0; n < 10; n += 1) await guard.execute(`k${n}`, () => n);
    vi.advanceTimersByTime(61_000);
    await guard.execute('k', () => 1);
    expect(store.size).toBe(1);
  });
});

describe('a key that is running', () => {
  it('is refused at once, as a refusal that says when to come again', async () => {
    const gate = later<number>();
    const first = guard.execute('k', () => gate.promise);
    const error: unknown = await guard.execute('k', () => 2).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'KEY_IN_USE', key: 'k', retryAfterMs: 1_000 });
    expect(isRefusal(error)).toBe(true);
    gate.resolve(1);
    expect(await first).toBe(1);
    expect(await guard.execute('k', () => 2)).toBe(1);
  });

  it('is waited for where the caller can wait', async () => {
    const gate = later<number>();
    const calls = [1, 2, 3].map(() => guard.execute('k', () => gate.promise, { maxWaitMs: Infinity }));
    gate.resolve(1);
    expect(await Promise.all(calls)).toEqual([1, 1, 1]);
    expect(guard.stats()).toMatchObject({ done: 1, replayed: 2 });
  });

  it('is run by one of those who waited, after it failed', async () => {
    const gate = later<never>();
    const first = guard.execute('k', () => gate.promise);
    const fn = vi.fn<() => string>(() => 'mine');
    const others = [1, 2].map(() => guard.execute('k', fn, { maxWaitMs: 60_000 }));
    gate.reject(new Error('no'));
    await expect(first).rejects.toThrow('no');
    expect(await Promise.all(others)).toEqual(['mine', 'mine']);
    expect(fn).toHaveBeenCalledTimes(1);
  });

  it('is not waited for any longer than was said', async () => {
    vi.useFakeTimers();
    guard = new IdempotencyGuard({ store, maxWaitMs: 2_000 });
    const gate = later<number>();
    const first = guard.execute('k', () => gate.promise);
    const outcomes: unknown[] = [];
    for (const options of [{}, { maxWaitMs: 100 }, { deadline: Deadline.after(50) }])
      guard
        .execute('k', () => 2, options)
        .catch(({ code }: { code: string }) => outcomes.push([Math.round(performance.now() - began), code]));
    const began = performance.now();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(outcomes).toEqual([
      [50, 'TIMEOUT'],
      [100, 'KEY_IN_USE'],
      [2_000, 'KEY_IN_USE'],
    ]);
    gate.resolve(1);
    await first;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not waited for by a caller who leaves', async () => {
    const gate = later<number>();
    const first = guard.execute('k', () => gate.promise);
    const leaving = new AbortController();
    const waiting = guard.execute('k', () => 2, { signal: leaving.signal, maxWaitMs: Infinity });
    await Promise.resolve();
    const reason = new Error('left');
    leaving.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    gate.resolve(1);
    await first;
  });

  it('can be run again when the lease of a process that died has ended', async () => {
    vi.useFakeTimers();
    const dead = { owner: 'dead', fingerprint: undefined, leaseMs: 30_000, ttlMs: 60_000 };
    await store.claim({ guard: 'idempotency', key: 'k' }, dead);
    await expect(guard.execute('k', () => 1)).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    const waiting = guard.execute('k', ({ attempt }) => attempt, { maxWaitMs: 60_000 });
    await vi.advanceTimersByTimeAsync(31_000);
    expect(await waiting).toBe(2);
  });
});

describe('a run', () => {
  it('keeps its key for as long as it takes', async () => {
    vi.useFakeTimers();
    guard = new IdempotencyGuard({ store, leaseMs: 3_000 });
    const gate = later<number>();
    const first = guard.execute('k', () => gate.promise);
    await vi.advanceTimersByTimeAsync(60_000);
    await expect(guard.execute('k', () => 2)).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    gate.resolve(1);
    expect(await first).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps its key until it has settled, also when its caller has left', async () => {
    const leaving = new AbortController();
    const gate = later<number>();
    let seen: AbortSignal | undefined;
    const first = guard.execute(
      'k',
      ({ signal }) => {
        seen = signal;
        return gate.promise;
      },
      { signal: leaving.signal },
    );
    await vi.waitFor(() => expect(seen).toBeDefined());
    const reason = new Error('left');
    leaving.abort(reason);
    await expect(first).rejects.toBe(reason);
    expect(seen?.reason).toBe(reason);
    await expect(guard.execute('k', () => 2)).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    gate.resolve(1);
    await vi.waitFor(() => expect(guard.stats()['running']).toBe(0));
    expect(await guard.execute('k', () => 2)).toBe(1);
  });

  it('may be run again when it stopped because its caller left, whatever the reason says', async () => {
    const leaving = new AbortController();
    const gate = later<void>();
    const first = guard.execute(
      'k',
      async ({ signal }) => {
        await gate.promise;
        signal.throwIfAborted();
      },
      { signal: leaving.signal },
    );
    await vi.waitFor(() => expect(guard.stats()['running']).toBe(1));
    leaving.abort(noRetry(new Error('the process ends')));
    await expect(first).rejects.toMatchObject({ code: 'NO_RETRY' });
    gate.resolve();
    await vi.waitFor(() => expect(guard.stats()['running']).toBe(0));
    expect(await guard.execute('k', ({ attempt }) => attempt)).toBe(2);
  });

  it('is not begun for a caller who left while its key was claimed', async () => {
    const leaving = new AbortController();
    const claim: IdempotencyStore['claim'] = async (...args) => {
      const answer = await store.claim(...args);
      leaving.abort(new Error('left'));
      return answer;
    };
    const fn = vi.fn<() => number>(() => 1);
    const call = new IdempotencyGuard({ store: { ...bound(store), claim } }).execute('k', fn, {
      signal: leaving.signal,
    });
    await expect(call).rejects.toThrow('left');
    await new Promise((resolve) => setImmediate(resolve));
    expect(fn).not.toHaveBeenCalled();
    expect(await guard.execute('k', ({ attempt }) => attempt)).toBe(1);
  });

  it('is told to stop when its lease is lost, and does not count', async () => {
    vi.useFakeTimers();
    guard = new IdempotencyGuard({ store, leaseMs: 3_000 });
    const events: HoldfastEvent[] = [];
    const unsubscribe = subscribe((event) => void events.push(event));
    const gate = later<number>();
    let seen: AbortSignal | undefined;
    const first = guard.execute('k', ({ signal }) => {
      seen = signal;
      return gate.promise;
    });
    first.catch(() => {});
    await vi.advanceTimersByTimeAsync(0);
    // the process stood still, and somebody else took over
    vi.setSystemTime(Date.now() + 3_000);
    const other = { owner: 'other', fingerprint: undefined, leaseMs: 3_000, ttlMs: 60_000 };
    const key = { guard: 'idempotency', key: 'k' };
    expect(await store.claim(key, other)).toEqual({ state: 'claimed', attempt: 2 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seen?.reason).toMatchObject({ code: 'LEASE_LOST' });
    gate.resolve(1);
    await expect(first).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    expect(events.map(({ type }) => type)).toContain('idempotency.lease-lost');
    await store.settle(key, other, { kind: 'done', result: '2' });
    expect(await guard.execute('k', () => 3)).toBe(2);
    unsubscribe[Symbol.dispose]();
  });

  it('is told to stop when the store cannot be reached for as long as the lease', async () => {
    vi.useFakeTimers();
    const down = (): Promise<never> => Promise.reject(new Error('down'));
    guard = new IdempotencyGuard({ store: { ...bound(store), renew: down }, leaseMs: 3_000 });
    let seen: AbortSignal | undefined;
    const gate = later<number>();
    const first = guard.execute('k', ({ signal }) => {
      seen = signal;
      return gate.promise;
    });
    first.catch(() => {});
    await vi.advanceTimersByTimeAsync(2_999);
    expect(seen?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen?.aborted).toBe(true);
    gate.resolve(1);
    // nobody else has claimed it: what it came to counts
    expect(await first).toBe(1);
  });

  it('tries to keep what it came to for as long as its lease lasts', async () => {
    vi.useFakeTimers();
    let downs = 3;
    const settle: IdempotencyStore['settle'] = (...args) => {
      downs -= 1;
      return downs >= 0 ? Promise.reject(new Error('down')) : store.settle(...args);
    };
    guard = new IdempotencyGuard({ store: { ...bound(store), settle } });
    const first = guard.execute('k', () => 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await first).toBe(1);
    expect(await guard.execute('k', () => 2)).toBe(1);
  });

  it('is not begun where the store took as long to answer as the lease it tells of', async () => {
    vi.useFakeTimers();
    const slow: IdempotencyStore['claim'] = async (...args) => {
      const answer = await store.claim(...args);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      return answer;
    };
    const late = new IdempotencyGuard({ store: { ...bound(store), claim: slow }, leaseMs: 3_000 });
    const begun: string[] = [];
    const gate = later<number>();
    const first = late.execute('k', () => void begun.push('late'));
    first.catch(() => {});
    await vi.advanceTimersByTimeAsync(3_000 - 1);
    vi.setSystemTime(Date.now() + 1); // the store's clock
    const second = guard.execute('k', ({ attempt }) => {
      begun.push(`other ${attempt}`);
      return gate.promise;
    });
    await vi.advanceTimersByTimeAsync(1);
    await expect(first).rejects.toMatchObject({ code: 'KEY_IN_USE' });
    expect(begun).toEqual(['other 2']);
    gate.resolve(2);
    expect(await second).toBe(2);
  });

  it('counts its lease from when it asked for it, not from when it heard', async () => {
    vi.useFakeTimers();
    const slow: IdempotencyStore['claim'] = async (...args) => {
      const answer = await store.claim(...args);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return answer;
    };
    const renew = (): Promise<never> => Promise.reject(new Error('down'));
    guard = new IdempotencyGuard({ store: { ...bound(store), claim: slow, renew }, leaseMs: 3_000 });
    let seen: AbortSignal | undefined;
    const gate = later<number>();
    const first = guard.execute('k', ({ signal }) => {
      seen = signal;
      return gate.promise;
    });
    await vi.advanceTimersByTimeAsync(2_999);
    expect(seen?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen?.aborted).toBe(true);
    gate.resolve(1);
    expect(await first).toBe(1);
  });

  it('is not begun where the store cannot be reached', async () => {
    const down = new Error('down');
    guard = new IdempotencyGuard({ store: { ...bound(store), claim: () => Promise.reject(down) } });
    const fn = vi.fn<() => number>(() => 1);
    await expect(guard.execute('k', fn)).rejects.toBe(down);
    expect(fn).not.toHaveBeenCalled();
  });

  it('leaves no listener on a signal that lives on', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    for (let n = 0; n < 100; n += 1) await guard.execute(`k${n % 10}`, () => n, { signal });
    expect(added.mock.calls.length).toBe(removed.mock.calls.length);
  });
});

describe('behind a job queue', () => {
  it('gives a job back without spending an attempt while its key is in use', async () => {
    const jobs = new JobQueue<string>({ name: 'jobs', url: 'memory:', retry: { maxRetries: 0 } });
    const claim = { owner: 'other', fingerprint: undefined, leaseMs: 30_000, ttlMs: 60_000 };
    await store.claim({ guard: 'idempotency', key: 'job' }, claim);
    const handled: number[] = [];
    const released = later<void>();
    const unsubscribe = subscribe(({ type }) => {
      if (type === 'job.released') released.resolve();
    });
    jobs.consume((_payload, ctx) => guard.execute(ctx.id, () => void handled.push(ctx.attempt), ctx));
    await jobs.enqueue('x', { id: 'job' });
    await released.promise;
    await store.settle({ guard: 'idempotency', key: 'job' }, claim, { kind: 'released' });
    await expect.poll(() => handled).toEqual([1]);
    await expect.poll(() => jobs.stats()).toMatchObject({ completed: 1, died: 0 });
    unsubscribe[Symbol.dispose]();
    await jobs[Symbol.asyncDispose]();
  });
});

describe('options', () => {
  it.each<[string, object]>([
    ['store', {}],
    ['store', { store: null }],
    ['store', { store: { claim() {} } }],
    ['name', { name: '' }],
    ['ttlMs', { ttlMs: -1 }],
    ['ttlMs', { ttlMs: Infinity }],
    ['leaseMs', { leaseMs: 0 }],
    ['leaseMs', { leaseMs: Infinity }],
    ['failures', { failures: 'ignore' }],
    ['maxWaitMs', { maxWaitMs: -1 }],
    ['lease', { lease: 1 }],
  ])('refuses a wrong %s', (name, wrong) => {
    const options = 'store' in wrong || name === 'store' ? wrong : { store, ...wrong };
    expect(() => new IdempotencyGuard(options as IdempotencyGuardOptions)).toThrow(name);
  });

  it.each<[string, unknown[]]>([
    ['key', ['', () => 1]],
    ['key', [7, () => 1]],
    ['key', ['a\0b', () => 1]],
    ['key', ['a\uD800', () => 1]],
    ['fingerprint', ['k', () => 1, { fingerprint: '\uDFFF' }]],
    ['fn', ['k', undefined]],
    ['maxWaitMs', ['k', () => 1, { maxWaitMs: 'long' }]],
    ['fingerprint', ['k', () => 1, { fingerprint: 7 }]],
  ])('rejects a wrong %s', async (name, args) => {
    await expect(guard.execute(...(args as Parameters<typeof guard.execute>))).rejects.toThrow(name);
  });
});

describe('whatever the interleaving', () => {
  it('runs one at a time, and after a success never again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.record({ fails: fc.boolean(), waits: fc.boolean(), guard: fc.nat(2) }), {
          minLength: 1,
          maxLength: 8,
        }),
        async (scheduler, calls) => {
          const slow = scheduled(new MemoryIdempotencyStore(), scheduler);
          // three processes with a store in common
          const guards = [0, 1, 2].map(() => new IdempotencyGuard({ store: slow }));
          let running = 0;
          let successes = 0;
          const begun: number[] = [];
          const outcomes = calls.map(({ fails, waits, guard: which }, index) =>
            at(guards, which)
              .execute(
                'k',
                async ({ attempt }) => {
                  expect(successes).toBe(0);
                  begun.push(attempt);
                  running += 1;
                  expect(running).toBe(1);
                  await scheduler.schedule(Promise.resolve(), `work ${index}`);
                  running -= 1;
                  if (fails) throw new Error(`failed ${index}`);
                  successes += 1;
                  return index;
                },
                { maxWaitMs: waits ? Infinity : 0 },
              )
              .then(
                (value) => ({ value }),
                (error: unknown) => ({ error }),
              ),
          );
          await scheduler.waitFor(Promise.all(outcomes));
          const settled = await Promise.all(outcomes);
          expect(begun).toEqual(begun.map((_, index) => index + 1));
          expect(successes).toBeLessThanOrEqual(1);
          const values = new Set(settled.flatMap((one) => ('value' in one ? [one.value] : [])));
          expect(values.size).toBe(successes);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});

/** The one at a place where there is one. */
function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`nothing at ${index}`);
  return item;
}

/** The methods of a store, each to be replaced. */
function bound(store: IdempotencyStore): IdempotencyStore {
  return {
    claim: (...args) => store.claim(...args),
    renew: (...args) => store.renew(...args),
    settle: (...args) => store.settle(...args),
    forget: (...args) => store.forget(...args),
    sweep: (...args) => store.sweep(...args),
  };
}

/** A store whose every answer may come before or after any other. */
function scheduled(store: IdempotencyStore, scheduler: fc.Scheduler): IdempotencyStore {
  return {
    ...bound(store),
    claim: async (...args) => {
      await scheduler.schedule(Promise.resolve(), 'asking to claim');
      const answer = await store.claim(...args);
      await scheduler.schedule(Promise.resolve(), 'claim answered');
      return answer;
    },
    settle: async (...args) => {
      await scheduler.schedule(Promise.resolve(), 'asking to settle');
      const answer = await store.settle(...args);
      await scheduler.schedule(Promise.resolve(), 'settle answered');
      return answer;
    },
  };
}
