import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TimeoutError } from '../../src/index.ts';
import { Deadline } from '../../src/signal/deadline.ts';
import { Execution } from '../../src/signal/execution.ts';
import { call } from '../../src/signal/call.ts';
import type { WorkContext } from '../../src/index.ts';

const never = (): Promise<never> => new Promise(() => {});

describe('call', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('hands through the promise of work that nothing can end early', () => {
    const work = Promise.resolve(1);
    expect(call(() => work, {})).toBe(work);
  });

  it('turns a synchronous throw into a rejection of the same value', async () => {
    const error = { not: 'an Error' };
    const thrower = (): never => {
      throw error;
    };
    await expect(call(thrower, {})).rejects.toBe(error);
    await expect(call(thrower, { timeoutMs: 5 })).rejects.toBe(error);
  });

  it('does not start work for a caller who has left or a deadline that has passed', async () => {
    const work = vi.fn();
    const reason = new Error('left');
    await expect(call(work, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(call(work, { deadline: Deadline.after(0) })).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
    });
    expect(work).not.toHaveBeenCalled();
  });

  it('rejects with the abort reason itself, at once, while the work goes on', async () => {
    const controller = new AbortController();
    const outcome = call(never, { signal: controller.signal });
    const reason = { any: 'value' };
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
  });

  it('passes the caller’s own signal through where no layer can abort by itself', async () => {
    const { signal } = new AbortController();
    expect(await call((ctx) => ctx.signal, { signal })).toBe(signal);
  });

  it('aborts the work with the TimeoutError it rejects with', async () => {
    let seen: unknown;
    const outcome = call(
      (ctx) => {
        ctx.signal.addEventListener('abort', () => (seen = ctx.signal.reason));
        return never();
      },
      { timeoutMs: 50, kind: 'attempt', name: 'upstream' },
    );
    const rejection = expect(outcome).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'attempt',
      timeoutMs: 50,
    });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
    expect(seen).toBeInstanceOf(TimeoutError);
    await expect(outcome).rejects.toBe(seen);
  });

  it('gives a signal that is read late already aborted', async () => {
    let ctx: WorkContext | undefined;
    const outcome = call((context) => ((ctx = context), never()), { timeoutMs: 50 });
    outcome.catch(() => {});
    await vi.advanceTimersByTimeAsync(50);
    expect(ctx?.signal.aborted).toBe(true);
    await expect(outcome).rejects.toBe(ctx?.signal.reason);
  });

  it('is bounded by the smaller of its own time-out and the deadline, and says which', async () => {
    const byDeadline = call(never, { timeoutMs: 100, deadline: Deadline.after(40) });
    const byTimeout = call(never, { timeoutMs: 40, deadline: Deadline.after(100) });
    const expected = Promise.all([
      expect(byDeadline).rejects.toMatchObject({ kind: 'deadline', timeoutMs: 40 }),
      expect(byTimeout).rejects.toMatchObject({ kind: 'total', timeoutMs: 40 }),
    ]);
    await vi.advanceTimersByTimeAsync(40);
    await expected;
  });

  it('tells the work the deadline that results', async () => {
    const remaining = await call((ctx) => ctx.deadline?.remainingMs, {
      timeoutMs: 100,
      deadline: Deadline.after(40),
    });
    expect(remaining).toBe(40);
    expect(await call((ctx) => ctx.deadline?.remainingMs, { timeoutMs: 30 })).toBe(30);
    expect(await call((ctx) => ctx.deadline, {})).toBeUndefined();
  });

  it('registers abandoned work with its execution until the work settles', async () => {
    const outer = new Execution(undefined);
    const inner = new Execution(outer);
    let finish: (() => void) | undefined;
    const outcome = call(() => new Promise<void>((resolve) => (finish = resolve)), {
      timeoutMs: 10,
      execution: inner,
    });
    outcome.catch(() => {});
    await vi.advanceTimersByTimeAsync(10);
    const freed: string[] = [];
    outer.whenSettled(() => freed.push('outer'));
    inner.whenSettled(() => freed.push('inner'));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(freed).toEqual([]);
    finish?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(freed).toEqual(['inner', 'outer']);
  });

  it('swallows the late rejection of abandoned work', async () => {
    let fail: ((error: Error) => void) | undefined;
    const outcome = call(() => new Promise<void>((_, reject) => (fail = reject)), { timeoutMs: 10 });
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT' });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    fail?.(new Error('late'));
    await vi.advanceTimersByTimeAsync(0);
  });

  it('waits for the work when asked to settle only when it is done', async () => {
    let finish: (() => void) | undefined;
    let settled = false;
    const outcome = call(() => new Promise<void>((resolve) => (finish = resolve)), {
      timeoutMs: 10,
      settle: 'when-done',
    });
    outcome.then(
      () => (settled = true),
      () => (settled = true),
    );
    await vi.advanceTimersByTimeAsync(500);
    expect(settled).toBe(false);
    finish?.();
    await expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'total' });
  });

  it('is ended by an abort from within the work’s synchronous part', async () => {
    const controller = new AbortController();
    const outcome = call(() => (controller.abort('self'), never()), { signal: controller.signal });
    await expect(outcome).rejects.toBe('self');
  });

  it('leaves no listener behind on a signal that outlives ten thousand calls', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 10_000 }, (_, index) => call(async () => index, { signal })));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
  });

  it('gives a context that survives being spread', async () => {
    const { signal } = new AbortController();
    const spread = await call((ctx) => ({ ...ctx, maxWaitMs: 5 }), { signal });
    expect(Object.keys(spread).toSorted()).toEqual(['deadline', 'maxWaitMs', 'signal']);
    expect(spread.signal).toBe(signal);
  });
});
