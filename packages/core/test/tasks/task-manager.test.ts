import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Deadline,
  ShuttingDownError,
  TaskManager,
  subscribe,
  type TaskHandle,
  type WorkContext,
} from '../../src/index.ts';
import { ADOPT, type Door } from '../../src/component.ts';
import { executionOf } from '../../src/signal/execution.ts';

const never = (): Promise<never> => new Promise(() => {});
const thrower = (): never => {
  throw new Error('at once');
};
const make = (options: object) => () => new TaskManager(options);

/** Work that ends only by its abort, with the reason. */
function untilAborted({ signal }: WorkContext): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

describe('TaskManager', { timeout: 60_000 }, () => {
  let warn: ReturnType<typeof vi.spyOn>;

  beforeEach(() => {
    vi.useFakeTimers();
    warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    warn.mockRestore();
  });

  it('starts a task at once and gives its result to whoever awaits the handle', async () => {
    const tasks = new TaskManager();
    const started: string[] = [];
    const handle = tasks.spawn(async () => (started.push('now'), 42), { name: 'answer' });
    expect(started).toEqual(['now']);
    expect(handle).toMatchObject({ name: 'answer', state: 'running', startedAt: expect.any(Date) });
    expect(await handle).toBe(42);
    expect(handle.state).toBe('completed');
  });

  it('lists its tasks and removes each when it is over', async () => {
    const tasks = new TaskManager();
    const first = tasks.spawn(untilAborted, { name: 'first' });
    const second = tasks.spawn(async () => {});
    expect(tasks.list()).toEqual([first, second]);
    expect(tasks.size).toBe(2);
    await second;
    expect(tasks.list()).toEqual([first]);
    first.cancel();
    await vi.advanceTimersByTimeAsync(0);
    expect(tasks.size).toBe(0);
  });

  it('names a task after its function where no name is given', () => {
    const tasks = new TaskManager();
    expect(tasks.spawn(async function sendMail() {}).name).toBe('sendMail');
    expect(tasks.spawn(() => 1).name).toBe('task');
  });

  it('cancels a task with exactly the reason given', async () => {
    const tasks = new TaskManager();
    const handle = tasks.spawn(untilAborted);
    const reason = { enough: true };
    handle.cancel(reason);
    handle.cancel('too late');
    await expect(handle).rejects.toBe(reason);
    expect(handle.state).toBe('cancelled');
  });

  it('counts an AbortError of somebody else’s making as the cancellation that caused it', async () => {
    vi.useRealTimers();
    const tasks = new TaskManager();
    const handle = tasks.spawn(({ signal }) => delay(10_000, undefined, { signal }));
    const reason = new Error('enough');
    handle.cancel(reason);
    await expect(handle).rejects.toBe(reason);
    expect(handle.state).toBe('cancelled');
    vi.useFakeTimers();
  });

  it('keeps the value of a task that completes in spite of its cancellation', async () => {
    const tasks = new TaskManager();
    const handle = tasks.spawn(({ signal }) =>
      untilAborted({ signal, deadline: undefined }).catch(() => 'half'),
    );
    handle.cancel();
    expect(await handle).toBe('half');
    expect(handle.state).toBe('completed');
  });

  it('reports an error that a cancelled task ends with in place of its abort', async () => {
    const onError = vi.fn();
    const tasks = new TaskManager({ onError });
    const broken = new Error('clean-up failed');
    const handle = tasks.spawn((ctx) => untilAborted(ctx).catch(() => Promise.reject(broken)));
    handle.cancel();
    await expect(handle).rejects.toBe(broken);
    expect(handle.state).toBe('failed');
    expect(onError).toHaveBeenCalledExactlyOnceWith(broken, handle);
  });

  it('is cancelled by its caller’s signal, and not started for a caller who has left', async () => {
    const tasks = new TaskManager();
    const controller = new AbortController();
    const running = tasks.spawn(untilAborted, { signal: controller.signal });
    controller.abort('left');
    await expect(running).rejects.toBe('left');
    const work = vi.fn();
    const late = tasks.spawn(work, { signal: controller.signal });
    await expect(late).rejects.toBe('left');
    expect(late.state).toBe('cancelled');
    const expired = tasks.spawn(work, { deadline: Deadline.after(0) });
    await expect(expired).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    expect(work).not.toHaveBeenCalled();
    expect(tasks.size).toBe(0);
  });

  it('fails a task that runs out of time at once, and keeps it until its function has ended', async () => {
    const tasks = new TaskManager();
    let finish: (() => void) | undefined;
    let seen: unknown;
    const handle = tasks.spawn(
      ({ signal }) => {
        signal.addEventListener('abort', () => (seen = signal.reason));
        return new Promise<void>((resolve) => (finish = resolve));
      },
      { name: 'slow', timeoutMs: 50 },
    );
    const rejection = expect(handle).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'total', timeoutMs: 50 });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
    await expect(handle).rejects.toBe(seen);
    expect(handle.state).toBe('failed');
    expect(tasks.size).toBe(1);
    finish?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(tasks.size).toBe(0);
  });

  it('gives up at its time-out a task that was cancelled and does not stop, with the reason of the cancellation', async () => {
    const tasks = new TaskManager();
    const handle = tasks.spawn(never, { timeoutMs: 50 });
    handle.cancel('enough');
    const rejection = expect(handle).rejects.toBe('enough');
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
    expect(handle.state).toBe('cancelled');
    expect(tasks.size).toBe(1);
  });

  it('says when it was the deadline that passed, and tells the task about it', async () => {
    const tasks = new TaskManager();
    const handle = tasks.spawn(untilAborted, { deadline: Deadline.after(20), timeoutMs: 50 });
    const rejection = expect(handle).rejects.toMatchObject({ kind: 'deadline', timeoutMs: 20 });
    await vi.advanceTimersByTimeAsync(20);
    await rejection;
    expect(await tasks.spawn((ctx) => ctx.deadline?.remainingMs, { timeoutMs: 30 })).toBe(30);
  });

  it('refuses more than maxTasks, and lets the next one in when one is over', async () => {
    const tasks = new TaskManager({ name: 'mail', maxTasks: 1 });
    const one = tasks.spawn(untilAborted);
    expect(() => tasks.spawn(never)).toThrow(expect.objectContaining({ code: 'TASK_LIMIT', limit: 1 }));
    one.cancel();
    await vi.advanceTimersByTimeAsync(0);
    await tasks.spawn(async () => {});
  });

  it('holds a slot until work that the task gave up has settled too', async () => {
    const tasks = new TaskManager({ maxTasks: 1 });
    let finish: (() => void) | undefined;
    const handle = tasks.spawn((ctx) => {
      executionOf(ctx)?.abandon(new Promise<void>((resolve) => (finish = resolve)));
    });
    await handle;
    expect(tasks.size).toBe(1);
    finish?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(tasks.size).toBe(0);
  });

  it('gives a failure to the task’s own handler, else to the manager’s, else to the console once', async () => {
    const managers = vi.fn();
    const own = vi.fn();
    const error = new Error('no');
    const tasks = new TaskManager({ onError: managers });
    const first = tasks.spawn(() => Promise.reject(error), { onError: own });
    const second = tasks.spawn(() => Promise.reject(error));
    await vi.advanceTimersByTimeAsync(0);
    expect(own).toHaveBeenCalledExactlyOnceWith(error, first);
    expect(managers).toHaveBeenCalledExactlyOnceWith(error, second);
    expect(warn).not.toHaveBeenCalled();
    new TaskManager({ name: 'mail', spawnStacks: false }).spawn(() => Promise.reject(error), {
      name: 'welcome',
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(warn).toHaveBeenCalledExactlyOnceWith('Task "welcome" of "mail" failed:', error);
  });

  it('keeps its warning back where somebody awaits the handle, also after a synchronous throw', async () => {
    const tasks = new TaskManager();
    await expect(tasks.spawn(thrower)).rejects.toThrow('at once');
    await expect(tasks.spawn(() => Promise.reject(new Error('later')))).rejects.toThrow('later');
    await vi.advanceTimersByTimeAsync(0);
    expect(warn).not.toHaveBeenCalled();
  });

  it('remembers in development where a task was spawned, and says so with its failure', async () => {
    const tasks = new TaskManager({ name: 'mail' });
    const handle = tasks.spawn(() => Promise.reject('no'), { name: 'welcome' });
    expect(handle.spawnStack).toMatch(/^ +at .*task-manager\.test\.ts:\d+/u);
    await vi.advanceTimersByTimeAsync(0);
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      'Task "welcome" of "mail" failed:',
      'no',
      `\nSpawned\n${handle.spawnStack}`,
    );
    vi.stubEnv('NODE_ENV', 'production');
    expect(new TaskManager().spawn(async () => {}).spawnStack).toBeUndefined();
    expect(new TaskManager({ spawnStacks: true }).spawn(async () => {}).spawnStack).toBeDefined();
    vi.unstubAllEnvs();
  });

  it('remembers the last fifty failures', async () => {
    const tasks = new TaskManager({ onError: () => {} });
    for (let index = 1; index <= 60; index += 1)
      tasks.spawn(() => Promise.reject(index), { name: `task ${index}` });
    tasks.spawn(untilAborted).cancel();
    tasks.spawn(async () => {});
    await tasks.waitAll();
    const failures = tasks.recentFailures();
    expect(failures).toHaveLength(50);
    expect(failures[0]).toMatchObject({ task: 'task 11', error: 11, failedAt: expect.any(Date) });
    expect(failures.at(-1)).toMatchObject({ task: 'task 60', error: 60 });
  });

  it('never warns of a cancellation', async () => {
    const tasks = new TaskManager();
    tasks.spawn(untilAborted).cancel();
    await vi.advanceTimersByTimeAsync(0);
    expect(warn).not.toHaveBeenCalled();
  });

  it('runs a task and its handler in the context of the one who spawned it', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const tasks = new TaskManager();
    let fail: ((error: Error) => void) | undefined;
    const handle = storage.run('request 1', () =>
      tasks.spawn(() => (seen.push(storage.getStore()), new Promise<void>((_, reject) => (fail = reject))), {
        onError: () => seen.push(storage.getStore()),
      }),
    );
    storage.run('request 2', () => fail?.(new Error('x')));
    await expect(handle).rejects.toThrow('x');
    expect(seen).toEqual(['request 1', 'request 1']);
  });

  it('tells the bus what became of each task', async () => {
    const events: unknown[] = [];
    using _ = subscribe(({ type, name, data }) => events.push([type, name, data['task'], data['error']]));
    const tasks = new TaskManager({ name: 'mail', onError: () => {} });
    tasks.spawn(async () => {}, { name: 'a' });
    tasks.spawn(() => Promise.reject('no'), { name: 'b' });
    tasks.spawn(untilAborted, { name: 'c' }).cancel('enough');
    await tasks.waitAll();
    expect(events).toEqual([
      ['task.started', 'mail', 'a', undefined],
      ['task.started', 'mail', 'b', undefined],
      ['task.started', 'mail', 'c', undefined],
      ['task.completed', 'mail', 'a', undefined],
      ['task.failed', 'mail', 'b', 'no'],
      ['task.cancelled', 'mail', 'c', 'enough'],
      ['tasks.waited', 'mail', undefined, undefined],
    ]);
  });

  describe('waitAll', () => {
    it('is over at once when there is nothing, and may be called again and again', async () => {
      const tasks = new TaskManager();
      expect(await tasks.waitAll()).toEqual({ completed: 0, failed: 0, cancelled: 0, leaked: [] });
      tasks.spawn(async () => {});
      expect(await tasks.waitAll()).toEqual({ completed: 1, failed: 0, cancelled: 0, leaked: [] });
      tasks.spawn(async () => {});
      expect(await tasks.waitAll()).toEqual({ completed: 1, failed: 0, cancelled: 0, leaked: [] });
    });

    it('waits for tasks that tasks spawn', async () => {
      const tasks = new TaskManager();
      tasks.spawn(async () => {
        await Promise.resolve();
        tasks.spawn(async () => {});
      });
      expect(await tasks.waitAll()).toMatchObject({ completed: 2 });
    });

    it('cancels what is left when its time is over, and names what does not stop', async () => {
      const tasks = new TaskManager();
      const good = tasks.spawn(untilAborted, { name: 'good' });
      const deaf = tasks.spawn(never, { name: 'deaf' });
      const waiting = tasks.waitAll({ timeoutMs: 100, graceMs: 50 });
      await vi.advanceTimersByTimeAsync(99);
      expect(good.state).toBe('running');
      await vi.advanceTimersByTimeAsync(1);
      expect(good.state).toBe('cancelled');
      await vi.advanceTimersByTimeAsync(50);
      expect(await waiting).toEqual({ completed: 0, failed: 0, cancelled: 1, leaked: ['deaf'] });
      expect(deaf.state).toBe('running');
      expect(await tasks.spawn(async () => 'still open')).toBe('still open');
    });

    it('waits 30 seconds and then 2 where nothing else is said', async () => {
      const tasks = new TaskManager();
      tasks.spawn(never, { name: 'deaf' });
      const waiting = tasks.waitAll();
      await vi.advanceTimersByTimeAsync(31_999);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(await waiting).toMatchObject({ leaked: ['deaf'] });
    });

    it('rejects with the reason of an abort and leaves the tasks running', async () => {
      const tasks = new TaskManager();
      const handle = tasks.spawn(untilAborted);
      const controller = new AbortController();
      const waiting = tasks.waitAll({ signal: controller.signal });
      controller.abort('enough');
      await expect(waiting).rejects.toBe('enough');
      expect(handle.state).toBe('running');
    });
  });

  it('drains without cancelling, and says how much is left', async () => {
    const tasks = new TaskManager();
    const handle = tasks.spawn(untilAborted);
    const draining = tasks.drain({ timeoutMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    expect(await draining).toEqual({ drained: false, left: 1, leaked: [] });
    expect(handle.state).toBe('running');
    handle.cancel();
    expect(await tasks.drain()).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('cancels all there is and its signal, and gives later tasks of an open manager a new one', async () => {
    const tasks = new TaskManager();
    const { signal } = tasks;
    const handle = tasks.spawn(untilAborted);
    tasks.cancel('enough');
    expect(signal.reason).toBe('enough');
    await expect(handle).rejects.toBe('enough');
    expect(tasks.signal.aborted).toBe(false);
    tasks.close();
    tasks.cancel('for good');
    expect(tasks.signal.reason).toBe('for good');
  });

  it('refuses tasks once closed, and lets those that run go on', async () => {
    const tasks = new TaskManager({ name: 'mail' });
    const handle = tasks.spawn(async () => 1);
    tasks.close();
    tasks.close();
    expect(() => tasks.spawn(never)).toThrow(ShuttingDownError);
    expect(await handle).toBe(1);
  });

  it('closes and waits for all when disposed', async () => {
    const order: string[] = [];
    {
      await using tasks = new TaskManager();
      tasks.spawn(async () => {
        await Promise.resolve();
        order.push('task');
      });
      tasks.spawn((ctx) => untilAborted(ctx).finally(() => order.push('ticker')), { atShutdown: 'cancel' });
    }
    order.push('after');
    expect(order).toEqual(['task', 'ticker', 'after']);
  });

  it('gives what was cancelled before only its grace when disposed', async () => {
    const tasks = new TaskManager();
    tasks.spawn(never, { name: 'deaf' });
    tasks.cancel();
    let disposed = false;
    const disposing = tasks[Symbol.asyncDispose]().then(() => (disposed = true));
    await vi.advanceTimersByTimeAsync(1_999);
    expect(disposed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await disposing;
  });

  describe('owned by a service', () => {
    const owner = {};
    const drain = new AbortController();
    let refusal: ShuttingDownError | undefined;
    const door: Door = {
      owner,
      refusal: (options) => (executionOf(options)?.isOwnedBy(owner) ? undefined : refusal),
      signalAt: () => drain.signal,
    };

    it('refuses outside work at the door, and lets in what its own tasks spawn with their context', async () => {
      const tasks = new TaskManager();
      tasks[ADOPT](door);
      let inner: TaskHandle<string> | undefined;
      let go: (() => void) | undefined;
      const outer = tasks.spawn(async (ctx) => {
        await new Promise<void>((resolve) => (go = resolve));
        inner = tasks.spawn(async () => 'in', ctx);
      });
      refusal = new ShuttingDownError('relay');
      expect(() => tasks.spawn(never)).toThrow(refusal);
      go?.();
      await outer;
      expect(await inner).toBe('in');
      refusal = undefined;
    });

    it('cancels at the drain what need not be drained', async () => {
      const tasks = new TaskManager();
      tasks[ADOPT](door);
      const kept = tasks.spawn(async () => 'kept');
      const ticker = tasks.spawn(untilAborted, { atShutdown: 'cancel' });
      drain.abort('draining');
      await expect(ticker).rejects.toBe('draining');
      expect(await kept).toBe('kept');
      const late = tasks.spawn(never, { atShutdown: 'cancel' });
      await expect(late).rejects.toBe('draining');
    });
  });

  it('rejects bad input by type and by range', () => {
    const type = expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    const range = expect.objectContaining({ name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
    for (const options of [{ name: 1 }, { maxTasks: '1' }, { onError: null }, { max: 1 }, { spawnStacks: 1 }])
      expect(make(options)).toThrow(type);
    for (const options of [{ name: '' }, { maxTasks: 0 }, { maxTasks: 1.5 }, { maxTasks: Number.NaN }])
      expect(make(options)).toThrow(range);
    const tasks = new TaskManager();
    const spawn = (options: object) => () => tasks.spawn(never, options);
    for (const options of [
      { name: 1 },
      { timeoutMs: '1' },
      { onError: null },
      { signal: {} },
      { atShutdown: 1 },
    ])
      expect(spawn(options)).toThrow(type);
    for (const options of [{ timeoutMs: 0 }, { timeoutMs: -1 }, { atShutdown: 'abandon' }])
      expect(spawn(options)).toThrow(range);
    expect(tasks.size).toBe(0);
  });

  it('leaves no listener on a signal that outlives ten thousand tasks', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const tasks = new TaskManager({ maxTasks: Infinity });
    for (let index = 0; index < 10_000; index += 1) tasks.spawn(async () => index, { signal });
    await tasks.waitAll();
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
    expect(tasks.size).toBe(0);
  });
});
