import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Deadline,
  Semaphore,
  SiblingFailedError,
  TaskGroup,
  TimeoutError,
  sleep,
  type TaskHandle,
  type WorkContext,
} from '../../src/index.ts';
import { executionOf } from '../../src/signal/execution.ts';

const never = (): Promise<never> => new Promise(() => {});

/** Work that ends only by its abort, with the reason. */
function untilAborted({ signal }: WorkContext): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/** The AggregateError a promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<AggregateError> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (error instanceof AggregateError) return error;
  throw new Error('expected an AggregateError', { cause: error });
}

describe('TaskGroup', { timeout: 60_000 }, () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('resolves with the value of its body when all its tasks have ended', async () => {
    const order: string[] = [];
    const value = await TaskGroup.run(async (group) => {
      group.spawn(async () => {
        await Promise.resolve();
        order.push('task');
      });
      order.push('body');
      return 42;
    });
    expect(order).toEqual(['body', 'task']);
    expect(value).toBe(42);
  });

  it('starts tasks at once and hands their results to whoever awaits them', async () => {
    const pair: [number, string] = await TaskGroup.run(async (group) => {
      const started: string[] = [];
      const a = group.spawn(async () => (started.push('a'), 1));
      const b = group.spawn(() => (started.push('b'), 'two'));
      expect(started).toEqual(['a', 'b']);
      return [await a, await b];
    });
    expect(pair).toEqual([1, 'two']);
  });

  it('cancels the others when one fails, waits for them, and throws an AggregateError even for one', async () => {
    const order: string[] = [];
    const broken = new Error('broken');
    let reason: unknown;
    const error = await failureOf(
      TaskGroup.run(async (group) => {
        group.spawn(async ({ signal }) => {
          await untilAborted({ signal, deadline: undefined }).catch(() => {});
          reason = signal.reason;
          await sleep(100);
          order.push('cleaned up');
        });
        group.spawn(() => Promise.reject(broken));
        void vi.advanceTimersByTimeAsync(1_000);
      }),
    );
    expect(order).toEqual(['cleaned up']);
    expect(reason).toBeInstanceOf(SiblingFailedError);
    expect(reason).toMatchObject({ code: 'SIBLING_FAILED', cause: broken });
    expect(error.errors).toEqual([broken]);
    expect(error.cause).toBe(broken);
  });

  it('lists failures in their order, and no cancellation among them', async () => {
    const first = new Error('first');
    const second = new Error('second');
    const error = await failureOf(
      TaskGroup.run((group) => {
        group.spawn((ctx) => untilAborted(ctx).catch(() => Promise.reject(second)));
        group.spawn(untilAborted);
        group.spawn(() => Promise.reject(first));
      }),
    );
    expect(error.errors).toEqual([first, second]);
    expect(error.cause).toBe(first);
  });

  it('lists an error once that a task threw and the body passed on', async () => {
    const broken = new Error('broken');
    const error = await failureOf(
      TaskGroup.run(async (group) => {
        await group.spawn(() => Promise.reject(broken));
      }),
    );
    expect(error.errors).toEqual([broken]);
  });

  it('does not count it as a failure that the body met a cancelled sibling', async () => {
    const broken = new Error('broken');
    const error = await failureOf(
      TaskGroup.run(async (group) => {
        const a = group.spawn(untilAborted);
        group.spawn(() => Promise.reject(broken));
        await a;
      }),
    );
    expect(error.errors).toEqual([broken]);
  });

  it('cancels its tasks when the body throws, and throws after they have ended', async () => {
    const broken = new Error('body');
    let state = '';
    const error = await failureOf(
      TaskGroup.run(async (group) => {
        group.spawn((ctx) => untilAborted(ctx).finally(() => (state = 'ended')));
        throw broken;
      }),
    );
    expect(state).toBe('ended');
    expect(error.errors).toEqual([broken]);
    const sync = TaskGroup.run(() => {
      throw broken;
    });
    expect((await failureOf(sync)).errors).toEqual([broken]);
  });

  it('rejects with the reason of its caller’s abort after all have ended, where nothing failed', async () => {
    const controller = new AbortController();
    let ended = false;
    const outcome = TaskGroup.run(
      (group) => {
        group.spawn((ctx) => untilAborted(ctx).finally(() => (ended = true)));
      },
      { signal: controller.signal },
    );
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(ended).toBe(true);
  });

  it('lets failures win over an abort that comes with them', async () => {
    const controller = new AbortController();
    const broken = new Error('clean-up');
    const outcome = TaskGroup.run(
      (group) => {
        group.spawn((ctx) => untilAborted(ctx).catch(() => Promise.reject(broken)));
      },
      { signal: controller.signal },
    );
    controller.abort('left');
    expect((await failureOf(outcome)).errors).toEqual([broken]);
    expect(controller.signal.aborted).toBe(true);
  });

  it('starts nothing for a caller who has left or a deadline that has passed', async () => {
    const body = vi.fn();
    await expect(TaskGroup.run(body, { signal: AbortSignal.abort('left') })).rejects.toBe('left');
    await expect(TaskGroup.run(body, { deadline: Deadline.after(0) })).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
    });
    expect(body).not.toHaveBeenCalled();
  });

  it('rejects with the TimeoutError itself when its own time is over', async () => {
    const outcome = TaskGroup.run(
      async (group) => {
        group.spawn(untilAborted);
        await sleep(1_000, group);
      },
      { timeoutMs: 50 },
    );
    const rejection = expect(outcome).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'total',
      timeoutMs: 50,
    });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
  });

  it('rejects with its own TimeoutError also where its work has noticed the deadline by itself', async () => {
    const outcome = TaskGroup.run(
      async ({ deadline }) => {
        await sleep(1_000, { deadline });
      },
      { name: 'load', timeoutMs: 50 },
    );
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'total' });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
  });

  it('has no timer for a deadline that never passes', async () => {
    const value = await TaskGroup.run(async () => vi.getTimerCount(), { deadline: Deadline.after(Infinity) });
    expect(value).toBe(0);
  });

  it('counts the time-out of one task as its failure', async () => {
    const outcome = failureOf(
      TaskGroup.run((group) => {
        group.spawn(untilAborted, { name: 'slow', timeoutMs: 20 });
        group.spawn(untilAborted);
      }),
    );
    await vi.advanceTimersByTimeAsync(20);
    const error = await outcome;
    expect(error.errors).toHaveLength(1);
    expect(error.cause).toBeInstanceOf(TimeoutError);
  });

  it('stays open for as long as a task runs that ignores its end', async () => {
    let finish: (() => void) | undefined;
    let over = false;
    const outcome = TaskGroup.run((group) => {
      group.spawn(() => new Promise<void>((resolve) => (finish = resolve)), { timeoutMs: 10 });
    }).finally(() => (over = true));
    outcome.catch(() => {});
    await vi.advanceTimersByTimeAsync(1_000);
    expect(over).toBe(false);
    finish?.();
    expect((await failureOf(outcome)).cause).toMatchObject({ code: 'TIMEOUT', kind: 'total' });
  });

  it('tells its tasks the deadline that counts', async () => {
    const remaining = await TaskGroup.run(
      async (group) => [
        group.deadline?.remainingMs,
        await group.spawn((ctx) => ctx.deadline?.remainingMs),
        await group.spawn((ctx) => ctx.deadline?.remainingMs, { timeoutMs: 30 }),
      ],
      { timeoutMs: 50, deadline: Deadline.after(100) },
    );
    expect(remaining).toEqual([50, 50, 30]);
  });

  it('ends without an error when it is cancelled, with the value its body returned', async () => {
    const states: string[] = [];
    const value = await TaskGroup.run(async (group) => {
      const handle = group.spawn(untilAborted);
      group.cancel('enough');
      await expect(handle).rejects.toBe('enough');
      states.push(handle.state);
      return 'first';
    });
    expect(value).toBe('first');
    expect(states).toEqual(['cancelled']);
    const ended = TaskGroup.run(async (group) => {
      group.spawn(async () => group.cancel());
      await untilAborted(group);
    });
    expect(await ended).toBeUndefined();
  });

  it('still throws what fails while it stops', async () => {
    const broken = new Error('clean-up');
    const outcome = TaskGroup.run((group) => {
      group.spawn((ctx) => untilAborted(ctx).catch(() => Promise.reject(broken)));
      group.cancel();
    });
    expect((await failureOf(outcome)).errors).toEqual([broken]);
  });

  it('goes on when one task is cancelled by its handle or by its own signal', async () => {
    const value = await TaskGroup.run(async (group) => {
      const controller = new AbortController();
      const one = group.spawn(untilAborted);
      const two = group.spawn(untilAborted, { signal: controller.signal });
      one.cancel('one');
      controller.abort('two');
      await expect(one).rejects.toBe('one');
      await expect(two).rejects.toBe('two');
      expect(group.signal.aborted).toBe(false);
      return group.spawn(async () => 'on');
    });
    expect(value).toBe('on');
  });

  it('starts more tasks while it waits, and none once it is aborted or has ended', async () => {
    let late: TaskGroup | undefined;
    const names: string[] = [];
    await TaskGroup.run((group) => {
      late = group;
      group.spawn(async () => {
        await Promise.resolve();
        group.spawn(async () => names.push('grandchild'));
      });
    });
    expect(names).toEqual(['grandchild']);
    const work = vi.fn();
    expect(() => late?.spawn(work)).toThrow(expect.objectContaining({ code: 'GROUP_CLOSED' }));
    await TaskGroup.run((group) => {
      group.cancel();
      expect(() => group.spawn(work)).toThrow(expect.objectContaining({ code: 'GROUP_CLOSED' }));
    });
    expect(work).not.toHaveBeenCalled();
  });

  it('does not count it as a failure that a closed group refused a task', async () => {
    const broken = new Error('broken');
    const error = await failureOf(
      TaskGroup.run(async (group) => {
        await group.spawn(() => Promise.reject(broken)).then(undefined, () => {});
        group.spawn(never);
      }),
    );
    expect(error.errors).toEqual([broken]);
  });

  it('runs as many tasks at once as it may, the others in order, each in its own context', async () => {
    const storage = new AsyncLocalStorage<number>();
    const order: unknown[] = [];
    let running = 0;
    await TaskGroup.run(
      (group) => {
        for (let index = 0; index < 6; index += 1) {
          storage.run(index, () =>
            group.spawn(async () => {
              running += 1;
              expect(running).toBeLessThanOrEqual(2);
              order.push([index, storage.getStore()]);
              await sleep(10);
              running -= 1;
            }),
          );
        }
        void vi.advanceTimersByTimeAsync(1_000);
      },
      { concurrency: 2 },
    );
    expect(order).toEqual([0, 1, 2, 3, 4, 5].map((index) => [index, index]));
  });

  it('cancels at once what still waits for its turn', async () => {
    const handles: TaskHandle<unknown>[] = [];
    const work = vi.fn();
    const controller = new AbortController();
    await TaskGroup.run(
      async (group) => {
        handles.push(
          group.spawn(untilAborted),
          group.spawn(work),
          group.spawn(work, { signal: controller.signal }),
        );
        handles.push(group.spawn(work));
        handles[1]?.cancel('one');
        expect(handles[1]?.state).toBe('cancelled');
        controller.abort('two');
        expect(handles[2]?.state).toBe('cancelled');
        group.cancel('all');
        expect(handles[3]?.state).toBe('cancelled');
      },
      { concurrency: 1 },
    );
    expect(work).not.toHaveBeenCalled();
  });

  it('passes over what was cancelled while it waited for its turn', async () => {
    const order: string[] = [];
    await TaskGroup.run(
      async (group) => {
        const first = group.spawn(untilAborted);
        const second = group.spawn(async () => order.push('second'));
        group.spawn(async () => order.push('third'));
        second.cancel();
        first.cancel();
      },
      { concurrency: 1 },
    );
    expect(order).toEqual(['third']);
  });

  it('fails a task whose deadline passes while it waits for its turn', async () => {
    const work = vi.fn();
    const outcome = failureOf(
      TaskGroup.run(
        (group) => {
          group.spawn(untilAborted);
          group.spawn(work, { deadline: Deadline.after(20) });
        },
        { concurrency: 1 },
      ),
    );
    await vi.advanceTimersByTimeAsync(20);
    expect((await outcome).cause).toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    expect(work).not.toHaveBeenCalled();
  });

  it('keeps a slot taken until work that a task gave up has settled', async () => {
    let settle: (() => void) | undefined;
    const order: string[] = [];
    const outcome = TaskGroup.run(
      (group) => {
        group.spawn((ctx) => {
          executionOf(ctx)?.abandon(new Promise<void>((resolve) => (settle = resolve)));
          order.push('first');
        });
        group.spawn(async () => order.push('second'));
      },
      { concurrency: 1 },
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(order).toEqual(['first']);
    settle?.();
    await outcome;
    expect(order).toEqual(['first', 'second']);
  });

  it('holds the slot that its caller runs in for work that its tasks gave up', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    let settle: (() => void) | undefined;
    await semaphore.execute((ctx) =>
      TaskGroup.run((group) => {
        group.spawn((inner) =>
          executionOf(inner)?.abandon(new Promise<void>((resolve) => (settle = resolve))),
        );
      }, ctx),
    );
    expect(semaphore.inUse).toBe(1);
    settle?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(semaphore.inUse).toBe(0);
  });

  it('shields clean-up from its own end, for a time', async () => {
    const log: string[] = [];
    const outcome = TaskGroup.run(async (group) => {
      group.spawn(async (ctx) => {
        await untilAborted(ctx).catch(() => {});
        await group.shield(async ({ signal }) => {
          await sleep(100, { signal });
          log.push('cleaned up');
        });
        await group.shield(untilAborted, { timeoutMs: 10 }).catch((error: unknown) => {
          log.push(error instanceof TimeoutError ? 'hung' : 'other');
        });
      });
      group.cancel();
    });
    await vi.advanceTimersByTimeAsync(110);
    await outcome;
    expect(log).toEqual(['cleaned up', 'hung']);
  });

  it('waits for shielded work that nobody awaits, and shields nothing once it has ended', async () => {
    let done = false;
    let ended: TaskGroup | undefined;
    const outcome = TaskGroup.run((group) => {
      ended = group;
      void group.shield(() => sleep(50)).then(() => (done = true));
    });
    await vi.advanceTimersByTimeAsync(50);
    await outcome;
    expect(done).toBe(true);
    await expect(ended?.shield(never)).rejects.toMatchObject({ code: 'GROUP_CLOSED' });
  });

  it('is a context that can be passed on, also spread', async () => {
    await TaskGroup.run(
      async (group) => {
        const spread = Object.assign({}, group);
        expect(spread.signal).toBe(group.signal);
        expect(spread.deadline).toBe(group.deadline);
        expect(executionOf(spread)).toBe(executionOf(group));
      },
      { timeoutMs: 50 },
    );
  });

  describe('declared in a block', () => {
    it('cancels what is left at the end of the block and waits for it', async () => {
      let handle: TaskHandle<never> | undefined;
      {
        await using group = new TaskGroup();
        handle = group.spawn(untilAborted);
      }
      expect(handle.state).toBe('cancelled');
    });

    it('waits instead where the block ends with join', async () => {
      const order: string[] = [];
      {
        await using group = new TaskGroup();
        group.spawn(async () => {
          await Promise.resolve();
          order.push('task');
        });
        await group.join();
      }
      expect(order).toEqual(['task']);
    });

    it('throws from join what run would throw, once', async () => {
      const broken = new Error('broken');
      const group = new TaskGroup();
      group.spawn(() => Promise.reject(broken));
      expect((await failureOf(group.join())).errors).toEqual([broken]);
      await group[Symbol.asyncDispose]();
      expect(() => group.spawn(never)).toThrow(expect.objectContaining({ code: 'GROUP_CLOSED' }));
    });

    it('throws at the end of the block a failure that nobody got', async () => {
      const broken = new Error('broken');
      const group = new TaskGroup();
      group.spawn(() => Promise.reject(broken));
      await vi.advanceTimersByTimeAsync(0);
      expect((await failureOf(group[Symbol.asyncDispose]())).errors).toEqual([broken]);
      const other = new TaskGroup();
      await expect(other.spawn(() => Promise.reject(broken))).rejects.toBe(broken);
      await other[Symbol.asyncDispose]();
    });

    it('costs no timer and no listener before it is used', async () => {
      const { signal } = new AbortController();
      const added = vi.spyOn(signal, 'addEventListener');
      const group = new TaskGroup({ timeoutMs: 50, signal });
      expect(vi.getTimerCount()).toBe(0);
      expect(added).not.toHaveBeenCalled();
      expect(group.signal.aborted).toBe(false);
      expect(vi.getTimerCount()).toBe(1);
      await group.join();
    });
  });

  it('rejects bad input by type and by range', async () => {
    const rejected = { type: { name: 'TypeError' }, range: { name: 'RangeError' } };
    const body = vi.fn();
    for (const options of [{ name: 1 }, { timeoutMs: '1' }, { concurrency: null }, { signal: {} }])
      await expect(
        Reflect.apply(TaskGroup.run.bind(TaskGroup), undefined, [body, options]),
      ).rejects.toMatchObject(rejected.type);
    for (const options of [{ name: '' }, { timeoutMs: 0 }, { concurrency: 0 }, { concurrency: 1.5 }])
      await expect(TaskGroup.run(body, options)).rejects.toMatchObject(rejected.range);
    await expect(Reflect.apply(TaskGroup.run.bind(TaskGroup), undefined, [null])).rejects.toMatchObject(
      rejected.type,
    );
    expect(body).not.toHaveBeenCalled();
    await TaskGroup.run(async (group) => {
      expect(() => group.spawn(never, { timeoutMs: 0 })).toThrow(RangeError);
      await expect(group.shield(never, { timeoutMs: 0 })).rejects.toMatchObject(rejected.range);
    });
  });

  it('leaves no listener on a signal that outlives ten thousand groups', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const body = async (group: TaskGroup): Promise<number> => group.spawn(async () => 1, { signal });
    await Promise.all(Array.from({ length: 10_000 }, () => TaskGroup.run(body, { signal })));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
  });
});
