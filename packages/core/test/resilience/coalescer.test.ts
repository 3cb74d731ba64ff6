import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bulkhead, Coalescer, Deadline, type WorkContext } from '../../src/index.ts';
import { deferred, type Deferred } from './deferred.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** A coalescer whose calls settle when told. */
function scripted(options: { timeoutMs?: number } = {}) {
  const calls: (Deferred<string> & { readonly key: string; readonly ctx: WorkContext })[] = [];
  const users = new Coalescer((key: string, ctx) => {
    const one = deferred<string>();
    calls.push({ ...one, key, ctx });
    return one.promise;
  }, options);
  return { calls, users };
}

describe('Coalescer', () => {
  it('makes one call for all who want the same, and gives all of them the same value', async () => {
    const { calls, users } = scripted();
    const wanted = [users.get('a'), users.get('b'), users.get('a'), users.get('a')];
    expect(calls.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(users.stats()).toEqual({ inFlight: 2, running: 2, waiting: 4, started: 2, joined: 2 });
    calls[0]?.resolve('A');
    calls[1]?.resolve('B');
    await expect(Promise.all(wanted)).resolves.toEqual(['A', 'B', 'A', 'A']);
    expect(users.size).toBe(0);
  });

  it('gives all of them the same error, each once', async () => {
    const { calls, users } = scripted();
    const down = new Error('down');
    const outcomes = Promise.allSettled([users.get('a'), users.get('a')]);
    calls[0]?.reject(down);
    expect((await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason)).toEqual([
      down,
      down,
    ]);
  });

  it('keeps nothing: a call that has settled is followed by a new one', async () => {
    const { calls, users } = scripted();
    const first = users.get('a');
    calls[0]?.resolve('1');
    await expect(first).resolves.toBe('1');
    const second = users.get('a');
    calls[1]?.resolve('2');
    await expect(second).resolves.toBe('2');
  });

  it('lets one caller leave at once, with his own reason, and goes on for the others', async () => {
    const { calls, users } = scripted();
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const leaves = users.get('a', { signal: controller.signal });
    const stays = users.get('a');
    controller.abort('left');
    await expect(leaves).rejects.toBe('left');
    expect(calls[0]?.ctx.signal.aborted).toBe(false);
    calls[0]?.resolve('A');
    await expect(stays).resolves.toBe('A');
    expect(removed).toHaveBeenCalledTimes(1);
  });

  it('aborts the call when the last has left, and does not give it to who comes next', async () => {
    const { calls, users } = scripted();
    const one = new AbortController();
    const other = new AbortController();
    const outcomes = Promise.allSettled([
      users.get('a', { signal: one.signal }),
      users.get('a', { signal: other.signal }),
    ]);
    one.abort('one');
    expect(calls[0]?.ctx.signal.aborted).toBe(false);
    other.abort('other');
    expect(calls[0]?.ctx.signal.reason).toBe('other');
    const next = users.get('a');
    expect(calls).toHaveLength(2);
    calls[0]?.reject(new Error('nobody hears this'));
    calls[1]?.resolve('A');
    await expect(next).resolves.toBe('A');
    expect(await outcomes).toMatchObject([{ reason: 'one' }, { reason: 'other' }]);
  });

  it('bounds each caller by his own deadline, and the call by none of them', async () => {
    const { calls, users } = scripted();
    const late = expect(users.get('a', { deadline: Deadline.after(10) })).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
      timeoutMs: 10,
    });
    const patient = users.get('a', { deadline: Deadline.after(1_000) });
    expect(calls[0]?.ctx.deadline).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10);
    await late;
    calls[0]?.resolve('A');
    await expect(patient).resolves.toBe('A');
  });

  it('ends a call for all after timeoutMs', async () => {
    const { calls, users } = scripted({ timeoutMs: 50 });
    const outcomes = Promise.allSettled([users.get('a'), users.get('a')]);
    expect(calls[0]?.ctx.deadline?.remainingMs).toBe(50);
    await vi.advanceTimersByTimeAsync(50);
    const [first, second] = await outcomes;
    expect(first).toMatchObject({ reason: { code: 'TIMEOUT', kind: 'total', timeoutMs: 50 } });
    expect(calls[0]?.ctx.signal.reason).toBe((second as PromiseRejectedResult).reason);
    expect(users.size).toBe(0);
    calls[0]?.resolve('late');
    await vi.advanceTimersByTimeAsync(0);
  });

  it('begins nothing for one who has left or whose time is over', async () => {
    const { calls, users } = scripted();
    await expect(users.get('a', { signal: AbortSignal.abort('left') })).rejects.toBe('left');
    await expect(users.get('a', { deadline: Deadline.after(0) })).rejects.toMatchObject({ kind: 'deadline' });
    expect(calls).toHaveLength(0);
  });

  it('treats a synchronous throw as a rejection', async () => {
    const down = new Error('down');
    const broken = new Coalescer(() => {
      throw down;
    });
    await expect(Promise.allSettled([broken.get('a'), broken.get('a')])).resolves.toMatchObject([
      { reason: down },
      { reason: down },
    ]);
    expect(broken.size).toBe(0);
  });

  it('survives a caller who leaves while the work is in its synchronous part', async () => {
    const controller = new AbortController();
    const work = deferred<string>();
    const users = new Coalescer(() => (controller.abort('left'), work.promise));
    await expect(users.get('a', { signal: controller.signal })).rejects.toBe('left');
    expect(users.stats()).toMatchObject({ inFlight: 0, running: 1 });
    work.resolve('A');
    await expect(users.drain()).resolves.toMatchObject({ drained: true });
  });

  it('keeps the slot of the caller who began the call for as long as it runs', async () => {
    const { calls, users } = scripted();
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    const controller = new AbortController();
    const began = bulkhead.execute((ctx) => users.get('a', ctx), { signal: controller.signal });
    const joined = users.get('a');
    controller.abort('left');
    await expect(began).rejects.toBe('left');
    await expect(bulkhead.execute(() => 1)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    calls[0]?.resolve('A');
    await expect(joined).resolves.toBe('A');
    await vi.advanceTimersByTimeAsync(0);
    await expect(bulkhead.execute(() => 1)).resolves.toBe(1);
  });

  it('knows keys that are objects by what makes them the same', async () => {
    const fn = vi.fn(async ({ id }: { id: number }) => id);
    const byId = new Coalescer(fn, { keyBy: ({ id }) => id });
    await expect(
      Promise.all([byId.get({ id: 1 }), byId.get({ id: 1 }), byId.get({ id: 2 })]),
    ).resolves.toEqual([1, 1, 2]);
    expect(fn).toHaveBeenCalledTimes(2);
  });

  it('runs in the context of the caller who began, and each goes on in his own', async () => {
    const storage = new AsyncLocalStorage<string>();
    const work = new Coalescer(async () => storage.getStore());
    const ask = async (name: string): Promise<unknown[]> => [name, await work.get('a'), storage.getStore()];
    const answers = await Promise.all([
      storage.run('one', () => ask('one')),
      storage.run('two', () => ask('two')),
    ]);
    expect(answers).toEqual([
      ['one', 'one', 'one'],
      ['two', 'one', 'two'],
    ]);
  });

  it('cancels all calls with a reason, and drains', async () => {
    const { calls, users } = scripted();
    const outcomes = Promise.allSettled([users.get('a'), users.get('b')]);
    users.cancel('enough');
    expect(await outcomes).toMatchObject([{ reason: 'enough' }, { reason: 'enough' }]);
    expect(calls.map(({ ctx }) => ctx.signal.reason)).toEqual(['enough', 'enough']);
    const report = users.drain({ timeoutMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    await expect(report).resolves.toMatchObject({ drained: false, left: 2 });
    for (const call of calls) call.resolve('');
    await users[Symbol.asyncDispose]();
  });

  it('refuses bad options', () => {
    for (const args of [
      [5],
      [() => 1, { timeoutMs: 0 }],
      [() => 1, { keyBy: 5 }],
      [() => 1, { name: '' }],
      [() => 1, { ttl: 5 }],
    ])
      expect(() => Reflect.construct(Coalescer, args)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
      );
  });
});
