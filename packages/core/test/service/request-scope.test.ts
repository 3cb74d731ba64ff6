import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  Deadline,
  DisconnectedError,
  OverloadedError,
  ShuttingDownError,
  TimeoutError,
  currentScope,
  sleep,
  type RequestScope,
  type TaskHandle,
  type WorkContext,
} from '../../src/index.ts';
import { executionOf } from '../../src/internal.ts';
import { service, stop, useFakeTime } from './fake-time.ts';

useFakeTime();

describe('the signal of a scope', () => {
  it('aborts with a DisconnectedError when the caller leaves', () => {
    const handle = service().openScope();
    const { signal } = handle.scope;
    handle.disconnect();
    expect(signal.reason).toBeInstanceOf(DisconnectedError);
  });

  it('never aborts by a normal end, nor by anything after it', async () => {
    const owner = service();
    const controller = new AbortController();
    const handle = owner.openScope({ timeoutMs: 100, signal: controller.signal });
    const { signal } = handle.scope;
    handle.end();
    handle.disconnect();
    controller.abort();
    await vi.advanceTimersByTimeAsync(1_000);
    await stop(owner);
    expect(signal.aborted).toBe(false);
    expect(handle.scope.signal).toBe(signal);
  });

  it('is never aborted where it is read first after the end', async () => {
    const handle = service().openScope({ timeoutMs: 100 });
    handle.end();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(handle.scope.signal.aborted).toBe(false);
  });

  it('is born aborted where it is read first after the caller left', () => {
    const handle = service().openScope();
    handle.disconnect();
    expect(handle.scope.signal.reason).toBeInstanceOf(DisconnectedError);
  });

  it('aborts at the deadline with a TimeoutError of kind deadline; there is no timer until it is read', async () => {
    const { scope } = service().openScope({ timeoutMs: 1_000 });
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(400);
    const { signal } = scope;
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(599);
    expect(signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(signal.reason).toBeInstanceOf(TimeoutError);
    expect(signal.reason).toMatchObject({ code: 'TIMEOUT', kind: 'deadline', timeoutMs: 1_000 });
  });

  it('is born aborted where it is read first after the deadline', async () => {
    const { scope } = service().openScope({ timeoutMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    expect(scope.signal.reason).toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    expect(scope.deadline?.expired).toBe(true);
  });

  it('aborts with the reason of the signal that the scope was opened with', () => {
    const owner = service();
    const early = new AbortController();
    const read = owner.openScope({ signal: early.signal }).scope;
    expect(read.signal.aborted).toBe(false);
    const unread = owner.openScope({ signal: early.signal }).scope;
    early.abort('left');
    expect([read.signal.reason, unread.signal.reason]).toEqual(['left', 'left']);
  });

  it('aborts with a ShuttingDownError at the cancel phase', async () => {
    const owner = service({ phases: { drain: 100 } });
    const handle = owner.openScope();
    const { signal } = handle.scope;
    const stopped = owner.shutdown();
    await vi.advanceTimersByTimeAsync(99);
    expect(signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(signal.reason).toBeInstanceOf(ShuttingDownError);
    handle.end();
    await stopped;
  });

  it('keeps its first reason', async () => {
    const handle = service().openScope({ timeoutMs: 10 });
    const { signal } = handle.scope;
    await vi.advanceTimersByTimeAsync(10);
    handle.disconnect();
    expect(signal.reason).toBeInstanceOf(TimeoutError);
  });
});

describe('a scope', () => {
  it('has the earlier of its deadline and its time-out as deadline', () => {
    const owner = service();
    const deadline = Deadline.after(500);
    expect(owner.openScope({ deadline, timeoutMs: 100 }).scope.deadline?.remainingMs).toBe(100);
    expect(owner.openScope({ deadline, timeoutMs: 900 }).scope.deadline).toBe(deadline);
    expect(owner.openScope({ timeoutMs: Infinity }).scope.deadline).toBeUndefined();
  });

  it('has the id it was given, or one of its own', () => {
    const owner = service();
    expect(owner.openScope({ id: 'a' }).scope.id).toBe('a');
    const ids = [owner.openScope().scope.id, owner.openScope().scope.id];
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toMatch(/^[\da-f-]{36}$/);
  });

  it('is valid options for what it calls, also spread', async () => {
    const handle = service().openScope({ timeoutMs: 1_000 });
    const { scope } = handle;
    const passed = { ...scope, maxWaitMs: 250 };
    expect(passed.signal).toBe(scope.signal);
    expect(executionOf(passed)).toBe(executionOf(scope));
    const sleeping = sleep(60_000, scope);
    handle.disconnect();
    await expect(sleeping).rejects.toBeInstanceOf(DisconnectedError);
    expectTypeOf<RequestScope>().toExtend<WorkContext>();
    expectTypeOf(scope.background(() => 1)).toEqualTypeOf<TaskHandle<number>>();
  });

  it('may be opened from the scope around it, which can only be shortened', () => {
    const owner = service();
    const outer = owner.openScope({ id: 'a', timeoutMs: 100 });
    const inner = owner.openScope({ ...outer.scope, timeoutMs: 500 });
    expect(inner.scope.id).toBe('a');
    expect(inner.scope.deadline).toBe(outer.scope.deadline);
    const { signal } = inner.scope;
    outer.disconnect();
    inner.end();
    expect(signal.reason).toBeInstanceOf(DisconnectedError);
  });

  it('belongs to its service, so its work passes the door', () => {
    const owner = service();
    expect(executionOf(owner.openScope().scope)?.isOwnedBy(owner)).toBe(true);
  });

  it('is found by what runs in it, across awaits, and by nothing else', async () => {
    const owner = service();
    const [one, two] = [owner.openScope(), owner.openScope()];
    const seen = await Promise.all(
      [one, two].map((handle) =>
        handle.run(async () => {
          await Promise.resolve();
          return currentScope();
        }),
      ),
    );
    expect(seen).toEqual([one.scope, two.scope]);
    expect(currentScope()).toBeUndefined();
    expect(one.run(() => 7)).toBe(7);
  });

  it('ends once: the first of end and disconnect counts', async () => {
    const owner = service();
    const log: string[] = [];
    const handle = owner.openScope();
    handle.scope.background(() => void log.push('after'), { after: 'response' });
    handle.end();
    handle.end();
    handle.disconnect();
    await vi.advanceTimersByTimeAsync(0);
    expect(log).toEqual(['after']);
  });
});

describe('service.openScope', () => {
  it('throws the error of a component that sheds load, which it asks first', () => {
    const owner = service();
    const error = new OverloadedError('busy', { retryAfterMs: 2_000 });
    let busy = false;
    owner.own({ name: 'loop', overload: () => (busy ? error : undefined) });
    owner.openScope();
    busy = true;
    expect(() => owner.openScope()).toThrow(error);
  });

  it('lets in what must not be shed, and asks nobody again for what was let in', () => {
    const owner = service();
    let busy = false;
    owner.own({
      name: 'loop',
      overload: () => (busy ? new OverloadedError('busy', { retryAfterMs: 1_000 }) : undefined),
    });
    const outer = owner.openScope();
    busy = true;
    owner.openScope({ shed: false }).end();
    owner.openScope({ ...outer.scope, timeoutMs: 100 }).end();
    expect(() => owner.openScope({ shed: 1 as never })).toThrow(TypeError);
    outer.end();
  });

  it('throws ShuttingDownError once the intake has ended, and counts it as rejected', async () => {
    const owner = service({ phases: { 'lame-duck': 100 } });
    const stopped = owner.shutdown();
    owner.openScope().end();
    await vi.advanceTimersByTimeAsync(100);
    expect(() => owner.openScope()).toThrow(ShuttingDownError);
    expect((await stopped).requests).toEqual({ drained: 0, cancelled: 0, rejected: 0 });
  });

  it('opens a scope within a scope during the drain, and waits for it', async () => {
    const owner = service();
    const outer = owner.openScope();
    const stopped = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    const inner = owner.openScope({ ...outer.scope });
    outer.end();
    await vi.advanceTimersByTimeAsync(100);
    expect(owner.state).toBe('draining');
    inner.end();
    expect(await stopped).toMatchObject({ outcome: 'clean', durationMs: 200, requests: { drained: 2 } });
  });

  it('counts what the shutdown finished, cut and refused', async () => {
    const owner = service();
    const [before, drained, left, cut] = [
      owner.openScope(),
      owner.openScope(),
      owner.openScope(),
      owner.openScope(),
    ];
    before.end();
    cut.scope.signal.addEventListener('abort', () => cut.end());
    const stopped = owner.shutdown();
    await vi.advanceTimersByTimeAsync(10);
    expect(() => owner.openScope()).toThrow(ShuttingDownError);
    drained.end();
    left.disconnect();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await stopped).toMatchObject({
      outcome: 'clean',
      requests: { drained: 2, cancelled: 1, rejected: 1 },
    });
  });

  it('names a scope that does not end though it was aborted', async () => {
    const owner = service();
    owner.openScope({ id: 'r1' });
    expect(await stop(owner)).toMatchObject({ outcome: 'leaked', leaked: ['request r1'] });
  });

  it.each([
    [null, TypeError],
    [{ signal: {} }, TypeError],
    [{ deadline: 1 }, TypeError],
    [{ timeoutMs: 0 }, RangeError],
    [{ timeoutMs: '1' }, TypeError],
    [{ id: '' }, RangeError],
    [{ id: 1 }, TypeError],
    [{ waitUntil: null }, TypeError],
  ])('refuses %j', (options, error) => {
    expect(() => service().openScope(options as never)).toThrow(error);
  });
});

describe('scope.background', () => {
  it('starts work at once as a task of the service, with a signal of its own that the end of the request does not abort', async () => {
    const owner = service();
    const handle = owner.openScope({ timeoutMs: 10 });
    const task = handle.scope.background(
      async ({ signal, deadline }) => {
        expect(signal).not.toBe(handle.scope.signal);
        expect(deadline).toBeUndefined();
        await sleep(1_000, { signal });
        return 'done';
      },
      { name: 'audit' },
    );
    expect(owner.tasks.list()).toEqual([task]);
    expect(task.name).toBe('audit');
    handle.disconnect();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await task).toBe('done');
    expect(owner.tasks.size).toBe(0);
  });

  it.each(['end', 'disconnect'] as const)(
    'starts after the response where asked, also when it ends by %s',
    async (how) => {
      const log: string[] = [];
      const handle = service().openScope();
      const task = handle.scope.background(() => void log.push('background'), { after: 'response' });
      await vi.advanceTimersByTimeAsync(10);
      log.push('response');
      handle[how]();
      await task;
      expect(log).toEqual(['response', 'background']);
    },
  );

  it('starts at once after the response, where that has ended', async () => {
    const handle = service().openScope();
    handle.end();
    let started = false;
    handle.scope.background(() => void (started = true), { after: 'response' });
    expect(started).toBe(true);
  });

  it('counts its time-out from its start', async () => {
    const handle = service().openScope();
    const task = handle.scope.background(() => sleep(60_000), {
      after: 'response',
      timeoutMs: 100,
      onError: () => {},
    });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(task.state).toBe('running');
    handle.end();
    await vi.advanceTimersByTimeAsync(100);
    expect(task.state).toBe('failed');
    await expect(task).rejects.toMatchObject({ code: 'TIMEOUT', timeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(60_000);
  });

  it.each(['now', 'response'] as const)(
    'is cancelled by the caller leaving only where asked (after: %s)',
    async (after) => {
      const handle = service().openScope();
      const started = vi.fn<() => void>();
      const work = ({ signal }: WorkContext): Promise<void> => (started(), sleep(1_000, { signal }));
      const cancelled = handle.scope.background(work, { after, onDisconnect: 'cancel' });
      const goesOn = handle.scope.background(({ signal }) => sleep(1_000, { signal }), { after });
      handle.disconnect();
      await vi.advanceTimersByTimeAsync(1_000);
      expect([cancelled.state, goesOn.state]).toEqual(['cancelled', 'completed']);
      await expect(cancelled).rejects.toBeInstanceOf(DisconnectedError);
      expect(started).toHaveBeenCalledTimes(after === 'now' ? 1 : 0);
    },
  );

  it('is not cancelled by a normal end', async () => {
    const handle = service().openScope();
    const task = handle.scope.background(({ signal }) => sleep(10, { signal }), { onDisconnect: 'cancel' });
    handle.end();
    await vi.advanceTimersByTimeAsync(10);
    expect(task.state).toBe('completed');
  });

  it('is cancelled while it waits for the response', async () => {
    const handle = service().openScope();
    const task = handle.scope.background(() => 'never', { after: 'response' });
    task.cancel('enough');
    await expect(task).rejects.toBe('enough');
    handle.end();
  });

  it('passes the door during the drain, and is waited for', async () => {
    const owner = service();
    const handle = owner.openScope();
    const waits = handle.scope.background(() => sleep(300), { after: 'response', name: 'waits' });
    const stopped = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    expect(() => owner.tasks.spawn(() => {})).toThrow(ShuttingDownError);
    const late = handle.scope.background(() => sleep(100), { name: 'late' });
    handle.end();
    await vi.advanceTimersByTimeAsync(300);
    expect([waits.state, late.state]).toEqual(['completed', 'completed']);
    expect(await stopped).toMatchObject({ outcome: 'clean', durationMs: 400, tasks: { completed: 2 } });
  });

  it('is refused from the cancel phase on', async () => {
    const owner = service({ phases: { drain: 10 } });
    const handle = owner.openScope();
    const stopped = owner.shutdown();
    await vi.advanceTimersByTimeAsync(10);
    expect(() => handle.scope.background(() => {})).toThrow(ShuttingDownError);
    handle.end();
    await stopped;
  });

  it('runs in the asynchronous context of whoever started it', async () => {
    const storage = new AsyncLocalStorage<string>();
    const handle = service().openScope();
    const seen: unknown[] = [];
    const task = storage.run('handler', () =>
      handle.run(() =>
        handle.scope.background(() => void seen.push(storage.getStore(), currentScope()), {
          after: 'response',
        }),
      ),
    );
    storage.run('response', () => handle.end());
    await task;
    expect(seen).toEqual(['handler', handle.scope]);
  });

  it('calls waitUntil exactly once for each, with a promise that lasts as long as the work and never rejects', async () => {
    const waited: Promise<unknown>[] = [];
    const handle = service().openScope({ waitUntil: (promise) => void waited.push(promise) });
    const controller = new AbortController();
    controller.abort('gone');
    const works = [
      handle.scope.background(() => sleep(100)),
      handle.scope.background(() => sleep(100), { after: 'response' }),
      handle.scope.background(() => Promise.reject(new Error('no')), { onError: () => {} }),
      handle.scope.background(
        () => {
          throw new Error('no');
        },
        { onError: () => {} },
      ),
      handle.scope.background(() => {}, { after: 'response', onDisconnect: 'cancel' }),
      handle.scope.background(() => {}, { signal: controller.signal }),
    ];
    expect(waited).toHaveLength(works.length);
    const done: number[] = [];
    waited.forEach((promise, index) => void promise.then(() => done.push(index)));
    await vi.advanceTimersByTimeAsync(0);
    expect(done.toSorted((a, b) => a - b)).toEqual([2, 3, 5]);
    handle.disconnect();
    await vi.advanceTimersByTimeAsync(100);
    expect(done.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(waited).toHaveLength(works.length);
  });

  it('goes on where waitUntil throws', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const error = new Error('not now');
    const handle = service().openScope({
      waitUntil: () => {
        throw error;
      },
    });
    expect(await handle.scope.background(() => 'done')).toBe('done');
    expect(reported).toHaveBeenCalledWith(error);
    reported.mockRestore();
  });

  it('still warns of a failure that nobody awaits', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const handle = service().openScope({ waitUntil: () => {} });
    handle.scope.background(() => Promise.reject(new Error('no')), { name: 'audit', onDisconnect: 'cancel' });
    await vi.advanceTimersByTimeAsync(0);
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });

  it.each([
    [null, {}, TypeError],
    [() => {}, null, TypeError],
    [() => {}, { after: 'later' }, RangeError],
    [() => {}, { onDisconnect: 1 }, TypeError],
    [() => {}, { after: 'response', timeoutMs: 0 }, RangeError],
    [() => {}, { atShutdown: 'abandon' }, RangeError],
    [() => {}, { name: '' }, RangeError],
  ])('refuses a bad argument (%#)', (fn, options, error) => {
    const { scope } = service().openScope();
    expect(() => scope.background(fn as never, options as never)).toThrow(error);
  });
});
