import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, Semaphore, ShuttingDownError, type WorkContext } from '../../src/index.ts';
import { ADOPT } from '../../src/component.ts';
import { Execution, executionOf } from '../../src/signal/execution.ts';

const make = (options: unknown) => () => Reflect.construct(Semaphore, [options]);

/** Work that ends when it is told to. */
class Gate {
  readonly started: string[] = [];
  readonly #open = new Map<string, () => void>();

  work(name: string): (ctx: WorkContext) => Promise<string> {
    return () => {
      this.started.push(name);
      return new Promise((resolve) => this.#open.set(name, () => resolve(name)));
    };
  }

  async open(name: string): Promise<void> {
    this.#open.get(name)?.();
    await vi.advanceTimersByTimeAsync(0);
  }
}

describe('Semaphore', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('runs as much at once as it may, and the rest in the order of arrival', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 2 });
    const gate = new Gate();
    const all = ['a', 'b', 'c', 'd'].map((name) => semaphore.execute(gate.work(name)));
    expect(gate.started).toEqual(['a', 'b']);
    expect(semaphore).toMatchObject({ inUse: 2, waiting: 2, maxConcurrent: 2 });
    await gate.open('b');
    expect(gate.started).toEqual(['a', 'b', 'c']);
    await gate.open('a');
    await gate.open('c');
    await gate.open('d');
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
    expect(semaphore.inUse).toBe(0);
  });

  it('gives a permit that frees its slot once, however often it is disposed of', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 2 });
    const permit = await semaphore.acquire();
    await semaphore.acquire();
    expect(semaphore.tryAcquire()).toBeUndefined();
    permit[Symbol.dispose]();
    permit[Symbol.dispose]();
    expect(semaphore.inUse).toBe(1);
    {
      using _ = await semaphore.acquire();
      expect(semaphore.inUse).toBe(2);
    }
    expect(semaphore.inUse).toBe(1);
  });

  it('hands a freed slot to the one who has waited longest, in the same tick', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const permit = await semaphore.acquire();
    const order: string[] = [];
    const waiting = semaphore.acquire().then((next) => (order.push('waited'), next));
    permit[Symbol.dispose]();
    expect(semaphore.inUse).toBe(1);
    expect(semaphore.tryAcquire()).toBeUndefined();
    const late = semaphore.acquire().then((next) => (order.push('newcomer'), next));
    (await waiting)[Symbol.dispose]();
    (await late)[Symbol.dispose]();
    expect(order).toEqual(['waited', 'newcomer']);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'lets no newcomer overtake who comes %i microtasks after a release',
    async (offset) => {
      for (const held of ['permit', 'call'] as const) {
        const semaphore = new Semaphore({ maxConcurrent: 1 });
        const order: string[] = [];
        let finish: (() => void) | undefined;
        if (held === 'permit') {
          const permit = await semaphore.acquire();
          finish = () => permit[Symbol.dispose]();
        } else {
          void semaphore.execute(() => new Promise<void>((resolve) => (finish = resolve)));
        }
        const first = semaphore.execute(async () => order.push('first'));
        const second = semaphore.acquire().then((permit) => (order.push('second'), permit[Symbol.dispose]()));
        finish?.();
        for (let tick = 0; tick < offset; tick += 1) await Promise.resolve();
        expect(semaphore.inUse).toBeLessThanOrEqual(1);
        const newcomer = semaphore.execute(async () => order.push('newcomer'));
        await Promise.all([first, second, newcomer]);
        expect(order).toEqual(['first', 'second', 'newcomer']);
      }
    },
  );

  it('lets a caller leave the line at once, with the reason itself', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const permit = await semaphore.acquire();
    const controller = new AbortController();
    const work = vi.fn();
    const outcome = semaphore.execute(work, { signal: controller.signal });
    const acquired = semaphore.acquire({ signal: controller.signal });
    const reason = { gone: true };
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
    await expect(acquired).rejects.toBe(reason);
    expect(semaphore.waiting).toBe(0);
    permit[Symbol.dispose]();
    expect(work).not.toHaveBeenCalled();
    expect(semaphore.inUse).toBe(0);
    await expect(semaphore.acquire({ signal: controller.signal })).rejects.toBe(reason);
    await expect(semaphore.execute(work, { signal: controller.signal })).rejects.toBe(reason);
  });

  it('lets a caller whose call runs go at once, and holds the slot until it has settled', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const gate = new Gate();
    const controller = new AbortController();
    const outcome = semaphore.execute(gate.work('slow'), { signal: controller.signal });
    const next = semaphore.execute(gate.work('next'));
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(gate.started).toEqual(['slow']);
    expect(semaphore.stats()).toEqual({ maxConcurrent: 1, inUse: 1, waiting: 1, zombies: 1 });
    await gate.open('slow');
    expect(gate.started).toEqual(['slow', 'next']);
    expect(semaphore.stats()).toMatchObject({ zombies: 0 });
    await gate.open('next');
    await next;
  });

  it('holds the slot for work that the call itself gave up', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    let settle: (() => void) | undefined;
    await semaphore.execute((ctx) => {
      const inner = new Execution(executionOf(ctx));
      inner.abandon(new Promise<void>((resolve) => (settle = resolve)));
    });
    expect(semaphore.inUse).toBe(1);
    settle?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(semaphore.inUse).toBe(0);
  });

  it('frees the slot of work that throws, also synchronously, and passes the error on untouched', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const reasons: unknown[] = [undefined, null, 'text', new Error('no')];
    for (const reason of reasons) {
      await expect(semaphore.execute(() => Promise.reject(reason))).rejects.toBe(reason);
      await expect(
        semaphore.execute(() => {
          throw reason;
        }),
      ).rejects.toBe(reason);
    }
    expect(semaphore.inUse).toBe(0);
  });

  it('gives up after maxWaitMs, and at once where that is 0', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    using _ = await semaphore.acquire();
    const late = { code: 'TIMEOUT', kind: 'wait' };
    await expect(semaphore.acquire({ maxWaitMs: 0 })).rejects.toMatchObject(late);
    await expect(semaphore.execute(vi.fn(), { maxWaitMs: 0 })).rejects.toMatchObject(late);
    const waiting = expect(semaphore.acquire({ maxWaitMs: 50 })).rejects.toMatchObject({
      ...late,
      timeoutMs: 50,
    });
    await vi.advanceTimersByTimeAsync(50);
    await waiting;
    expect(semaphore.waiting).toBe(0);
  });

  it('keeps to the deadline, in line and while the work runs', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const passed = { code: 'TIMEOUT', kind: 'deadline' };
    await expect(semaphore.acquire({ deadline: Deadline.after(0) })).rejects.toMatchObject(passed);
    const running = semaphore.execute(() => new Promise<void>(() => {}), { deadline: Deadline.after(20) });
    const waiting = semaphore.acquire({ deadline: Deadline.after(10) });
    const both = [
      expect(running).rejects.toMatchObject(passed),
      expect(waiting).rejects.toMatchObject(passed),
    ];
    await vi.advanceTimersByTimeAsync(20);
    await Promise.all(both);
    expect(semaphore).toMatchObject({ inUse: 1, waiting: 0 });
  });

  it('gives the work its caller’s signal and deadline', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const { signal } = new AbortController();
    expect(await semaphore.execute((ctx) => ctx.signal, { signal })).toBe(signal);
    expect(
      await semaphore.execute((ctx) => ctx.deadline?.remainingMs, { deadline: Deadline.after(50) }),
    ).toBe(50);
  });

  it('runs a call that had to wait in the context of its own caller', async () => {
    const storage = new AsyncLocalStorage<string>();
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const read = async (): Promise<string | undefined> => storage.getStore();
    const seen = await Promise.all(
      ['a', 'b', 'c', undefined].map((name) =>
        name === undefined ? semaphore.execute(read) : storage.run(name, () => semaphore.execute(read)),
      ),
    );
    expect(seen).toEqual(['a', 'b', 'c', undefined]);
  });

  it('gives more slots to those who wait, and takes nobody’s away', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const gate = new Gate();
    const all = ['a', 'b', 'c', 'd'].map((name) => semaphore.execute(gate.work(name)));
    const permit = semaphore.acquire();
    semaphore.setLimit(3);
    expect(gate.started).toEqual(['a', 'b', 'c']);
    semaphore.setLimit(1);
    expect(semaphore.inUse).toBe(3);
    await gate.open('a');
    await gate.open('b');
    expect(gate.started).toEqual(['a', 'b', 'c']);
    expect(semaphore.inUse).toBe(1);
    await gate.open('c');
    expect(gate.started).toEqual(['a', 'b', 'c', 'd']);
    semaphore.setLimit(Infinity);
    (await permit)[Symbol.dispose]();
    await gate.open('d');
    await Promise.all(all);
    expect(semaphore.inUse).toBe(0);
  });

  it('takes on nobody new once closed, and serves those who are there', async () => {
    const semaphore = new Semaphore({ name: 'db', maxConcurrent: 1 });
    const gate = new Gate();
    const all = ['a', 'b'].map((name) => semaphore.execute(gate.work(name)));
    semaphore.close();
    const closed = { code: 'QUEUE_CLOSED', queue: 'db' };
    await expect(semaphore.execute(vi.fn())).rejects.toMatchObject(closed);
    await expect(semaphore.acquire()).rejects.toMatchObject(closed);
    expect(semaphore.tryAcquire()).toBeUndefined();
    await gate.open('a');
    await gate.open('b');
    expect(await Promise.all(all)).toEqual(['a', 'b']);
  });

  it('turns its line away when cancelled, and lets those with a slot go on', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const gate = new Gate();
    const [running, ...rest] = ['a', 'b', 'c'].map((name) => semaphore.execute(gate.work(name)));
    semaphore.cancel('enough');
    for (const one of rest) await expect(one).rejects.toBe('enough');
    await gate.open('a');
    expect(await running).toBe('a');
    using _ = await semaphore.acquire();
    const waiting = semaphore.acquire();
    semaphore.cancel();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('drains when the last slot is free, and says what is left when time is over', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    const gate = new Gate();
    const all = ['a', 'b'].map((name) => semaphore.execute(gate.work(name)));
    const short = semaphore.drain({ timeoutMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    expect(await short).toEqual({ drained: false, left: 2, leaked: [] });
    let drained = false;
    const long = semaphore.drain().then(() => (drained = true));
    await gate.open('a');
    expect(drained).toBe(false);
    await gate.open('b');
    await long;
    await Promise.all(all);
  });

  it('closes and drains when disposed', async () => {
    const order: string[] = [];
    {
      await using semaphore = new Semaphore({ maxConcurrent: 1 });
      for (const name of ['a', 'b']) void semaphore.execute(async () => order.push(name));
    }
    expect([...order, 'after']).toEqual(['a', 'b', 'after']);
  });

  it('refuses outside work at the door of its service, and lets tracked work in', async () => {
    const owner = {};
    const refusal = new ShuttingDownError('relay');
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    semaphore[ADOPT]({
      owner,
      refusal: (options) => (executionOf(options)?.isOwnedBy(owner) ? undefined : refusal),
      signalAt: () => new AbortController().signal,
    });
    await expect(semaphore.acquire()).rejects.toBe(refusal);
    await expect(semaphore.execute(vi.fn())).rejects.toBe(refusal);
    expect(semaphore.tryAcquire()).toBeUndefined();
    const tracked = new Semaphore({ maxConcurrent: 1 });
    const inside = { execution: new Execution(undefined, owner) };
    const { call } = await import('../../src/signal/call.ts');
    expect(
      await call(
        (ctx) => tracked.execute((inner) => semaphore.execute(async () => 'in', inner), ctx),
        inside,
      ),
    ).toBe('in');
    semaphore.close();
    await expect(semaphore.acquire()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('rejects bad input by type and by range', async () => {
    const type = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    const range = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    for (const maxConcurrent of ['1', true, 1n, null, undefined])
      expect(make({ maxConcurrent })).toThrow(type);
    for (const maxConcurrent of [0, -1, 1.5, Number.NaN]) expect(make({ maxConcurrent })).toThrow(range);
    for (const options of [
      undefined,
      null,
      [],
      { maxConcurrent: 1, limit: 1 },
      { maxConcurrent: 1, name: 1 },
    ])
      expect(make(options)).toThrow(type);
    const semaphore = new Semaphore({ maxConcurrent: Infinity });
    expect(() => semaphore.setLimit(0)).toThrow(range);
    const bad: { type: object[]; range: object[] } = {
      type: [{ maxWaitMs: '1' }, { signal: {} }, { deadline: 5 }],
      range: [{ maxWaitMs: -1 }, { maxWaitMs: Number.NaN }, { maxWaitMs: 2 ** 31 }],
    };
    for (const options of bad.type) await expect(semaphore.acquire(options)).rejects.toEqual(type);
    for (const options of bad.range) await expect(semaphore.execute(vi.fn(), options)).rejects.toEqual(range);
    await expect(Reflect.apply(semaphore.execute.bind(semaphore), undefined, [null])).rejects.toEqual(type);
  });

  it('holds a hundred thousand waiters on one listener, and lets them go with one abort', async () => {
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, 'addEventListener');
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    using _ = await semaphore.acquire();
    const work = vi.fn();
    const all = Array.from({ length: 100_000 }, () => semaphore.execute(work, { signal: controller.signal }));
    expect(semaphore.waiting).toBe(100_000);
    expect(added).toHaveBeenCalledTimes(1);
    controller.abort('left');
    expect(semaphore.waiting).toBe(0);
    const outcomes = await Promise.allSettled(all);
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason === 'left')).toBe(
      true,
    );
    expect(work).not.toHaveBeenCalled();
  });

  it('leaves no listener on a signal that outlives ten thousand calls', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const semaphore = new Semaphore({ maxConcurrent: 10 });
    await Promise.all(
      Array.from({ length: 10_000 }, (_, index) =>
        semaphore.execute(async () => index, { signal, maxWaitMs: 5_000 }),
      ),
    );
    expect(added.mock.calls.length).toBe(removed.mock.calls.length);
    expect(vi.getTimerCount()).toBe(0);
    expect(semaphore).toMatchObject({ inUse: 0, waiting: 0 });
  });
});
