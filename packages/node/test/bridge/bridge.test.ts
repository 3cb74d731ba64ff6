import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  Semaphore,
  Service,
  isHoldfastError,
  subscribe,
  type Component,
  type HoldfastEvent,
} from '@holdfast/core';
import { bridge, type Bridge, type WorkerPoolOptions } from '../../src/index.ts';
import type * as Broken from '../fixtures/broken.mjs';
import type * as Never from '../fixtures/never-loaded.mjs';
import type * as Common from '../fixtures/common.cjs';
import type * as Repository from '../fixtures/repository.mjs';

const url = new URL('../fixtures/repository.mjs', import.meta.url);

function repository(options: WorkerPoolOptions = {}): Bridge<typeof Repository> {
  return bridge<typeof Repository>(url, { name: 'repository', maxThreads: 1, ...options });
}

/** A flag that fixtures block on; shared with the thread. */
function flag(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Waits until that many calls block on the flag. */
async function entered(block: Int32Array<SharedArrayBuffer>, times = 1): Promise<void> {
  while (Atomics.load(block, 1) < times) await nextTurn();
}

function release(block: Int32Array<SharedArrayBuffer>): void {
  Atomics.store(block, 0, 1);
  Atomics.notify(block, 0);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`);
    },
    (error: unknown) => error,
  );
}

/** The next event of that type; listening ends with the test's scope. */
function nextEvent(type: string): Disposable & { readonly event: Promise<HoldfastEvent> } {
  let subscription: Disposable | undefined;
  const event = new Promise<HoldfastEvent>((resolve) => {
    subscription = subscribe((event) => {
      if (event.type === type) resolve(event);
    });
  });
  return { event, [Symbol.dispose]: () => subscription?.[Symbol.dispose]() };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('calling', () => {
  it('makes the functions of the module asynchronous, and only those', async () => {
    await using pool = repository();

    expect(await pool.call.add(1, 2)).toBe(3);
    expect(await pool.call.addLater(3, 4)).toBe(7);
    expect(await pool.call.nothing()).toBeUndefined();
    expectTypeOf(pool.call.add).toEqualTypeOf<(a: number, b: number) => Promise<number>>();
    expectTypeOf(pool.call.addLater).toEqualTypeOf<(a: number, b: number) => Promise<number>>();
    expectTypeOf<'setup' | 'version'>().not.toExtend<keyof typeof pool.call>();
    expectTypeOf(pool).toExtend<Component & AsyncDisposable>();
  });

  it('copies what structured clone can copy, both ways', async () => {
    await using pool = repository();
    const args = [
      1n,
      new Date(0),
      new Map([['a', new Set([1])]]),
      new Uint8Array([1, 2]),
      { deep: [null, undefined] },
    ];

    expect(await pool.call.echo(...args)).toEqual(args);
  });

  it('runs setup once in each thread, with its data and the name of the thread', async () => {
    await using pool = repository({ maxThreads: 2, name: 'dynamodb', setupData: { table: 'orders' } });
    const block = flag();
    const held = pool.call.blockUntil(block);
    await entered(block);

    const first = await pool.call.whoAmI();
    const second = await pool.call.whoAmI();
    release(block);

    expect([await held, first.thread].toSorted()).toEqual(['dynamodb-1', 'dynamodb-2']);
    expect(first).toMatchObject({ setups: 1, data: { table: 'orders' } });
    expect(second).toEqual(first);
  });

  it('loads a CommonJS module', async () => {
    await using pool = bridge<typeof Common>(new URL('../fixtures/common.cjs', import.meta.url), {
      maxThreads: 1,
    });

    expect(pool.name).toBe('common');
    expect(await pool.call.double(21)).toBe(42);
  });

  it('rejects a name that the module does not export, and setup', async () => {
    await using pool = repository();
    const functions: Record<string, () => Promise<unknown>> = pool.call as never;

    await expect(functions['missing']?.()).rejects.toThrow(
      new TypeError('The module exports no function "missing" to call'),
    );
    await expect(functions['version']?.()).rejects.toThrow(TypeError);
    await expect(functions['setup']?.()).rejects.toThrow(TypeError);
    expect(await pool.call.add(1, 1)).toBe(2);
  });

  it('is not a promise and has no JSON: awaiting or printing it starts nothing', async () => {
    await using pool = repository();

    expect(await Promise.resolve(pool.call)).toBe(pool.call);
    expect(JSON.stringify({ call: pool.call })).toBe('{"call":{}}');
    expect(pool.stats()).toMatchObject({ threads: 0 });
  });

  it('keeps the context of its caller', async () => {
    await using pool = repository();
    const storage = new AsyncLocalStorage<string>();

    const seen = await Promise.all(
      ['a', 'b', 'c'].map((value) =>
        storage.run(value, async () => {
          await pool.call.add(1, 1);
          return storage.getStore();
        }),
      ),
    );

    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('moves the buffers that it is told to move', async () => {
    await using pool = repository();
    const buffer = new ArrayBuffer(1_024);

    expect(await pool.with({ transfer: [buffer] }).sizeOf(buffer)).toBe(1_024);
    expect(buffer.byteLength).toBe(0);
  });

  it('names a buffer that cannot move', async () => {
    await using pool = repository();
    const buffer = new ArrayBuffer(8);

    const error = await rejection(pool.with({ transfer: [buffer, buffer] }).add(1, 2));

    expect(isHoldfastError(error, 'PAYLOAD_INVALID') && error.path).toBe('transfer');
  });

  it('names the argument that cannot be copied, and goes on', async () => {
    await using pool = repository();

    const error = await rejection(pool.call.echo(1, { list: [{ fn: () => 1 }] }));

    expect(isHoldfastError(error, 'PAYLOAD_INVALID') && error.path).toBe('args[1].list[0].fn');
    expect(error).toMatchObject({ message: 'Payload cannot be encoded: args[1].list[0].fn is a function' });
    expect(await pool.call.add(1, 1)).toBe(2);
  });

  it('names the part of a result that cannot be copied, and keeps the thread', async () => {
    await using pool = repository();
    const before = await pool.call.whoAmI();

    const error = await rejection(pool.call.functionInside());

    expect(isHoldfastError(error, 'PAYLOAD_INVALID') && error.path).toBe('result.deep[0].fn');
    expect(await pool.call.whoAmI()).toEqual(before);
  });
});

describe('errors', () => {
  it('arrive with name, message, stack, code, fields and causes', async () => {
    await using pool = repository();

    const error = await rejection(pool.call.throwStoreError());

    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'StoreError',
      message: 'no such table',
      code: 'E_STORE',
      details: { table: 'orders', at: new Date(0) },
      cause: { name: 'TypeError', message: 'inner', cause: 'innermost' },
    });
    expect(error).toHaveProperty('stack', expect.stringContaining('at throwStoreError'));
    expect(error).not.toHaveProperty('connection');
    expect((error as Error).cause).toBeInstanceOf(TypeError);
    expect(Object.keys(error as Error)).not.toContain('stack');
  });

  it('keep their built-in class', async () => {
    await using pool = repository();

    const both = await rejection(pool.call.throwAggregate());
    expect(both).toBeInstanceOf(AggregateError);
    expect(both).toMatchObject({ message: 'both', errors: [{ message: 'one', name: 'RangeError' }, 'two'] });
    expect((both as AggregateError).errors[0]).toBeInstanceOf(RangeError);

    const abort = await rejection(pool.call.throwAbort());
    expect(abort).toBeInstanceOf(DOMException);
    expect(abort).toMatchObject({ name: 'AbortError', message: 'stopped', code: 20 });

    expect(await rejection(pool.call.rejectLater())).toBeInstanceOf(RangeError);
  });

  it('may be any value', async () => {
    await using pool = repository();

    expect(await rejection(pool.call.throwValue('text'))).toBe('text');
    expect(await rejection(pool.call.throwValue(undefined))).toBeUndefined();
    expect(await rejection(pool.call.throwValue({ a: 1 }))).toEqual({ a: 1 });
    expect(await rejection(pool.call.throwFunction())).toContain('function nothing()');
    expect(await rejection(pool.call.throwCyclic())).toMatchObject({ message: 'cyclic' });
  });
});

describe('bounds', () => {
  it('refuses what finds the queue full, saying when to come again', async () => {
    await using pool = repository({ maxQueue: 1 });
    await pool.call.add(1, 1);
    const block = flag();
    const running = pool.call.blockUntil(block);
    await entered(block);
    const waiting = pool.call.add(1, 1);

    const error = await rejection(pool.call.add(2, 2));

    expect(isHoldfastError(error, 'POOL_FULL') && error).toMatchObject({ pool: 'repository', maxQueue: 1 });
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
    expect(pool.stats()).toMatchObject({ busy: 1, waiting: 1, rejected: 1 });
    release(block);
    expect(await Promise.all([running, waiting])).toEqual(['repository-1', 2]);
  });

  it('takes as many calls as there may be threads, whatever the queue holds', async () => {
    await using pool = repository({ maxThreads: 2, maxQueue: 0 });
    const block = flag();
    const held = [pool.call.blockUntil(block), pool.call.blockUntil(block)];

    expect(isHoldfastError(await rejection(pool.call.add(1, 1)), 'POOL_FULL')).toBe(true);

    await entered(block, 2);
    release(block);
    expect((await Promise.all(held)).toSorted()).toEqual(['repository-1', 'repository-2']);
  });

  it('lets calls wait without end where it is told to', async () => {
    await using pool = repository({ maxQueue: 0, overflow: 'wait' });

    const sums = await Promise.all(Array.from({ length: 50 }, (_, index) => pool.call.add(index, 1)));

    expect(sums).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('refuses a call that has waited for maxWaitMs; 0 waits for no turn', async () => {
    await using pool = repository();
    const block = flag();
    const running = pool.with({ maxWaitMs: 0 }).blockUntil(block);
    await entered(block);

    expect(isHoldfastError(await rejection(pool.with({ maxWaitMs: 5 }).add(1, 1)), 'POOL_FULL')).toBe(true);
    expect(isHoldfastError(await rejection(pool.with({ maxWaitMs: 0 }).add(1, 1)), 'POOL_FULL')).toBe(true);
    release(block);
    await running;
  });

  it('serves calls in the order they came', async () => {
    await using pool = repository({ maxQueue: 100 });
    const order: number[] = [];

    await Promise.all(
      Array.from({ length: 100 }, (_, index) => pool.call.add(index, 0).then((value) => order.push(value))),
    );

    expect(order).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it('starts no more threads than calls ran at once', async () => {
    await using pool = repository({ maxThreads: 8 });
    for (let index = 0; index < 5; index += 1) await pool.call.add(1, 1);
    expect(pool.stats()).toMatchObject({ threads: 1 });

    const block = flag();
    const held = [pool.call.blockUntil(block), pool.call.blockUntil(block), pool.call.blockUntil(block)];
    await entered(block, 3);
    expect(pool.stats()).toMatchObject({ threads: 3, busy: 3 });
    release(block);
    await Promise.all(held);
  });
});

describe('leaving', () => {
  it('rejects a waiting call with the reason itself, and never starts it', async () => {
    await using pool = repository({ maxQueue: 1 });
    const block = flag();
    const running = pool.call.blockUntil(block);
    await entered(block);
    const caller = new AbortController();
    const ran = flag();
    const waiting = rejection(pool.with({ signal: caller.signal }).exitOnce(ran));
    const reason = new Error('left');

    caller.abort(reason);

    expect(await waiting).toBe(reason);
    const next = pool.call.add(1, 1);
    release(block);
    await Promise.all([running, next]);
    expect(Atomics.load(ran, 0)).toBe(0);
  });

  it('starts nothing for a caller who has left before', async () => {
    await using pool = repository();
    const reason = new Error('left');

    expect(await rejection(pool.with({ signal: AbortSignal.abort(reason) }).add(1, 1))).toBe(reason);
    expect(pool.stats()).toMatchObject({ threads: 0 });
  });

  it('tells the caller of a running call at once, and replaces the thread that does not end by itself', async () => {
    await using pool = repository();
    const before = await pool.call.whoAmI();
    const caller = new AbortController();
    const block = flag();
    const held = rejection(pool.with({ signal: caller.signal }).blockUntil(block));
    await entered(block);

    caller.abort('enough');
    expect(await held).toBe('enough');
    expect(pool.stats()).toMatchObject({ busy: 1, zombies: 1, abandoned: 1 });
    expect(pool.health()).toEqual({ status: 'degraded', detail: '1 threads run abandoned calls' });

    const after = await pool.call.whoAmI();
    expect(after.thread).toBe('repository-1');
    expect(after.threadId).not.toBe(before.threadId);
    expect(pool.stats()).toMatchObject({ busy: 0, zombies: 0 });
    expect(pool.health()).toEqual({ status: 'up' });
  });

  it('keeps the thread of an abandoned call that ends within a moment', async () => {
    await using pool = repository();
    const before = await pool.call.whoAmI();
    const caller = new AbortController();
    const block = flag();
    const held = rejection(pool.with({ signal: caller.signal }).blockUntil(block));
    await entered(block);

    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }); // the moment lasts as long as the test likes
    caller.abort();
    await held;
    release(block);

    expect(await pool.call.whoAmI()).toEqual(before);
  });

  it('counts timeoutMs from the start of the call, not while it waits', async () => {
    await using pool = repository();
    const block = flag();
    const first = pool.call.blockUntil(block);
    await entered(block);
    const second = pool.with({ timeoutMs: 1_000 }).add(1, 1);
    await delay(1_100);
    release(block);
    expect(await Promise.all([first, second])).toEqual(['repository-1', 2]);

    const error = await rejection(pool.with({ timeoutMs: 20 }).spin());
    expect(isHoldfastError(error, 'TIMEOUT') && error).toMatchObject({ kind: 'total', timeoutMs: 20 });
    expect(await pool.call.add(1, 1)).toBe(2);
  });

  it('holds its slot until a call that cannot be stopped has ended', async () => {
    await using pool = repository();
    await pool.call.add(1, 1);
    const long = rejection(pool.with({ timeoutMs: 10 }).nativeBlock(400_000));
    expect(isHoldfastError(await long, 'TIMEOUT')).toBe(true);

    const next = pool.call.whoAmI();
    expect(pool.stats()).toMatchObject({ threads: 1, zombies: 1, waiting: 1 });

    expect((await next).thread).toBe('repository-1');
  });
});

describe('dying threads', () => {
  it('reject their own call alone', async () => {
    await using pool = repository({ maxThreads: 2 });
    const block = flag();
    const held = pool.call.blockUntil(block);
    await entered(block);

    const error = await rejection(pool.call.exit(3));

    expect(isHoldfastError(error, 'WORKER_CRASHED')).toBe(true);
    expect((error as Error).cause).toMatchObject({ message: 'Thread "repository-2" exited with code 3' });
    release(block);
    expect(await held).toBe('repository-1');
    expect(await pool.call.add(1, 1)).toBe(2);
  });

  it('have an idempotent call run once more, not twice', async () => {
    await using pool = repository();

    expect(await pool.with({ idempotent: true }).exitOnce(flag())).toBe('second time lucky');
    expect(isHoldfastError(await rejection(pool.with({ idempotent: true }).exit(1)), 'WORKER_CRASHED')).toBe(
      true,
    );
    expect(pool.stats()).toMatchObject({ crashed: 3 });
  });
});

it('a thread that dies after its call has ended is reported, and replaced', async () => {
  await using pool = repository();
  using died = nextEvent('pool.thread-crashed');

  expect(await pool.call.throwAfterwards()).toBe('fine');

  expect(await died.event).toMatchObject({
    name: 'repository',
    data: { fn: undefined, error: { code: 'WORKER_CRASHED', cause: { message: 'afterwards' } } },
  });
  expect(await pool.call.add(1, 1)).toBe(2);
});

describe('a module that cannot be loaded', () => {
  const broken = new URL('../fixtures/broken.mjs', import.meta.url);

  it('rejects the call with the error of the module, and is tried again by the next', async () => {
    const state = flag();
    await using pool = bridge<typeof Broken>(broken, { maxThreads: 1, setupData: state });

    expect(await rejection(pool.call.fine())).toMatchObject({ message: 'cannot be loaded' });
    Atomics.store(state, 0, 1);

    expect(await pool.call.fine()).toBe('fine');
    expect(pool.health()).toEqual({ status: 'up' });
  });

  it('is not tried without end', async () => {
    const state = flag();
    await using pool = bridge<typeof Broken>(broken, { maxThreads: 1, maxQueue: 50, setupData: state });

    const errors = await Promise.all(Array.from({ length: 20 }, () => rejection(pool.call.fine())));
    expect(errors.every((error) => error instanceof Error && error.message === 'cannot be loaded')).toBe(
      true,
    );
    expect(Atomics.load(state, 1)).toBe(3);

    await rejection(pool.call.fine());
    expect(Atomics.load(state, 1)).toBe(3);
    expect(pool.health()).toEqual({
      status: 'down',
      detail: 'threads do not start: Error: cannot be loaded',
    });
  });

  it('is given up where it is not done in thirty seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const url = new URL('../fixtures/never-loaded.mjs', import.meta.url);
    await using pool = bridge<typeof Never>(url, { name: 'never', maxThreads: 1 });
    const call = rejection(pool.call.fine());
    await nextTurn();
    vi.advanceTimersByTime(30_000);
    vi.useRealTimers();

    const error = await call;
    expect(isHoldfastError(error, 'TIMEOUT') && error.message).toBe(
      'Starting thread "never-1" timed out after 30000 ms (total)',
    );
  });

  it('shows when the bridge is opened', async () => {
    await using pool = bridge<typeof Broken>(broken, { maxThreads: 1, setupData: flag() });

    await expect(pool.open()).rejects.toThrow('cannot be loaded');
  });
});

describe('the four verbs', () => {
  it('close refuses new calls and keeps what was accepted', async () => {
    await using pool = repository();
    const accepted = [pool.call.add(1, 1), pool.call.add(2, 2)];

    pool.close();

    expect(isHoldfastError(await rejection(pool.call.add(3, 3)), 'SHUTTING_DOWN')).toBe(true);
    expect(await Promise.all(accepted)).toEqual([2, 4]);
  });

  it('drain waits for what waits and runs, and names what ignores its abort', async () => {
    await using pool = repository();
    const block = flag();
    const held = rejection(pool.call.blockUntil(block));
    const waiting = rejection(pool.call.add(1, 1));
    await entered(block);

    expect(await pool.drain({ timeoutMs: 5 })).toEqual({ drained: false, left: 2, leaked: [] });
    const drained = pool.drain();
    pool.cancel('stop');
    expect(await Promise.all([held, waiting])).toEqual(['stop', 'stop']);
    expect(await pool.drain({ timeoutMs: 5 })).toEqual({
      drained: false,
      left: 1,
      leaked: ['repository.blockUntil'],
    });

    expect(await drained).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('disposing again waits for the clean-up that runs, and does not cut it short', async () => {
    const cleaned = flag();
    const pool = repository({ maxThreads: 1, setupData: { cleaned, cleanMs: 50 } });
    await pool.call.add(1, 2);
    await Promise.all([pool[Symbol.asyncDispose](), pool[Symbol.asyncDispose]()]);
    expect(Atomics.load(cleaned, 0)).toBe(1);
  });

  it('dispose waits for what was accepted, cleans up in each thread, and refuses what comes later', async () => {
    const cleaned = flag();
    const pool = repository({ maxThreads: 2, setupData: { cleaned } });
    const block = flag();
    const held = [pool.call.blockUntil(block), pool.call.blockUntil(block)];
    await entered(block, 2);

    const disposed = pool[Symbol.asyncDispose]();
    release(block);

    expect((await Promise.all(held)).toSorted()).toEqual(['repository-1', 'repository-2']);
    await disposed;
    expect(Atomics.load(cleaned, 0)).toBe(2);
    expect(pool.stats()).toMatchObject({ threads: 0 });
    expect(isHoldfastError(await rejection(pool.call.add(1, 1)), 'SHUTTING_DOWN')).toBe(true);
    await pool[Symbol.asyncDispose]();
  });

  it('dispose does not wait for a clean-up that hangs longer than a second', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const pool = repository({ setupData: { cleanup: 'hangs' } });
    await pool.call.add(1, 1);
    const disposed = pool[Symbol.asyncDispose]();
    await nextTurn();
    vi.advanceTimersByTime(1_000);
    vi.useRealTimers();

    await disposed;
    expect(pool.stats()).toMatchObject({ threads: 0 });
  });

  it('dispose reports a clean-up that fails', async () => {
    const pool = repository({ setupData: { cleanup: 'throws' } });
    await pool.call.add(1, 1);
    using failed = nextEvent('pool.thread-crashed');

    await pool[Symbol.asyncDispose]();

    expect(await failed.event).toMatchObject({ data: { error: { cause: { message: 'cannot clean up' } } } });
  });

  it('ends threads that have had nothing to do for idleMs', async () => {
    const cleaned = flag();
    await using pool = repository({ idleMs: 20, setupData: { cleaned } });
    await pool.call.add(1, 1);

    while (pool.stats()['threads'] !== 0) await nextTurn();

    expect(Atomics.load(cleaned, 0)).toBe(1);
    expect(await pool.call.add(1, 1)).toBe(2);
  });
});

describe('under a service', () => {
  it('opens with it, takes only tracked work from the intake on, and ends with it', async () => {
    const service = new Service({ name: 'test' });
    const pool = service.own(repository());
    await service.start();
    expect(pool.stats()).toMatchObject({ threads: 1 });
    const results: unknown[] = [];
    service.tasks.spawn(async (ctx) => {
      await once(service.signalAt('drain'), 'abort');
      results.push(await pool.with(ctx).add(1, 2), await rejection(pool.call.add(1, 2)));
    });

    const report = await service.shutdown();

    expect(results).toMatchObject([3, { code: 'SHUTTING_DOWN' }]);
    expect(report).toMatchObject({
      outcome: 'clean',
      components: { repository: { drained: true, left: 0, leaked: [] } },
    });
    expect(pool.stats()).toMatchObject({ threads: 0 });
  });

  it('keeps what waits for a call in its slot until the call has really ended', async () => {
    await using pool = repository();
    const permits = new Semaphore({ maxConcurrent: 1 });
    const block = flag();
    const held = rejection(permits.execute((ctx) => pool.with({ ...ctx, timeoutMs: 20 }).blockUntil(block)));
    expect(isHoldfastError(await held, 'TIMEOUT')).toBe(true);
    expect(permits.inUse).toBe(1);
    release(block);
    await permits.drain();
    expect(permits.inUse).toBe(0);
  });
});

describe('bad options', () => {
  it('throw at construction, naming the option', () => {
    const bad = bridge as (url: unknown, options?: unknown) => unknown;
    expect(() => bad('file:///x.js')).toThrow(TypeError);
    expect(() => bad(new URL('file:///no/such/module.js'))).toThrow(RangeError);
    expect(() => bad(url, { maxThreads: 0 })).toThrow(/^maxThreads must be/);
    expect(() => bad(url, { maxQueue: -1 })).toThrow(RangeError);
    expect(() => bad(url, { overflow: 'drop' })).toThrow(/reject, wait/);
    expect(() => bad(url, { idleMs: Number.NaN })).toThrow(RangeError);
    expect(() => bad(url, { setupData: { fn: () => 1 } })).toThrow(/setupData\.fn is a function/);
    expect(() => bad(url, { maxthreads: 1 })).toThrow(/maxthreads/);
    expect(() => bad(url, null)).toThrow(TypeError);
  });

  it('throw from with()', () => {
    const pool = repository();
    expect(() => pool.with({ timeoutMs: 0 })).toThrow(RangeError);
    expect(() => pool.with({ maxWaitMs: -1 })).toThrow(RangeError);
    expect(() => pool.with({ idempotent: 1 as never })).toThrow(TypeError);
    expect(() => pool.with({ transfer: 1 as never })).toThrow(TypeError);
    expect(() => pool.with({ signal: 1 as never })).toThrow(TypeError);
  });
});
