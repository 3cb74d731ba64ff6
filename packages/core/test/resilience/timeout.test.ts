import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, TimeoutError, subscribe, withTimeout, type TimeoutOptions } from '../../src/index.ts';
import { deferred } from './deferred.ts';

const never = (): Promise<never> => new Promise(() => {});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('withTimeout', () => {
  it('gives the outcome of work that is quick enough, and leaves no timer', async () => {
    await expect(withTimeout(() => 'fine', { timeoutMs: 50 })).resolves.toBe('fine');
    const down = new Error('down');
    await expect(withTimeout(() => Promise.reject(down), { timeoutMs: 50 })).rejects.toBe(down);
  });

  it('rejects at once when time is over, and tells the work with the same error', async () => {
    let seen: unknown;
    const outcome = withTimeout(
      ({ signal }) => {
        signal.addEventListener('abort', () => (seen = signal.reason));
        return never();
      },
      { timeoutMs: 50, name: 'search' },
    );
    const rejection = expect(outcome).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'total',
      timeoutMs: 50,
      message: expect.stringContaining('search'),
    });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
    await expect(outcome).rejects.toBe(seen);
    expect(seen).toBeInstanceOf(TimeoutError);
  });

  it('never reports a caller’s abort as a time-out', async () => {
    const controller = new AbortController();
    const outcome = withTimeout(never, { timeoutMs: 50, signal: controller.signal });
    const reason = new DOMException('mine', 'TimeoutError');
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
  });

  it('does not start work for one who has left or whose deadline has passed', async () => {
    const work = vi.fn();
    await expect(withTimeout(work, { timeoutMs: 5, signal: AbortSignal.abort('left') })).rejects.toBe('left');
    await expect(withTimeout(work, { timeoutMs: 5, deadline: Deadline.after(0) })).rejects.toMatchObject({
      kind: 'deadline',
    });
    expect(work).not.toHaveBeenCalled();
  });

  it('ends with whatever is sooner, says which, and tells the work how long it has', async () => {
    const remaining = withTimeout(({ deadline }) => deadline?.remainingMs, {
      timeoutMs: 100,
      deadline: Deadline.after(40),
    });
    await expect(remaining).resolves.toBe(40);
    const byDeadline = expect(
      withTimeout(never, { timeoutMs: 100, deadline: Deadline.after(40) }),
    ).rejects.toMatchObject({ kind: 'deadline', timeoutMs: 40 });
    const byTimeout = expect(
      withTimeout(never, { timeoutMs: 40, deadline: Deadline.after(100) }),
    ).rejects.toMatchObject({ kind: 'total', timeoutMs: 40 });
    await vi.advanceTimersByTimeAsync(40);
    await Promise.all([byDeadline, byTimeout]);
  });

  it('gives work that succeeds late no success, and counts it as abandoned', async () => {
    const abandoned: unknown[] = [];
    using _ = subscribe(({ type, name, data }) => type === 'call.abandoned' && abandoned.push([name, data]));
    const work = deferred<string>();
    const outcome = withTimeout(() => work.promise, { timeoutMs: 10, name: 'search' });
    const error = outcome.catch((reason: unknown) => reason);
    await vi.advanceTimersByTimeAsync(10);
    work.resolve('late');
    expect(abandoned).toEqual([['search', { reason: await error }]]);
  });

  it('waits for the work where asked to settle when it is done', async () => {
    const work = deferred<string>();
    let settled = false;
    const outcome = withTimeout(() => work.promise, { timeoutMs: 10, settle: 'when-done' });
    outcome.catch(() => (settled = true));
    await vi.advanceTimersByTimeAsync(500);
    expect(settled).toBe(false);
    work.resolve('late');
    await expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('has no limit of its own where timeoutMs is Infinity', async () => {
    const work = deferred<string>();
    const outcome = withTimeout(() => work.promise, { timeoutMs: Infinity });
    await vi.advanceTimersByTimeAsync(1e9);
    work.resolve('fine');
    await expect(outcome).resolves.toBe('fine');
  });

  it('nests: the inner limit is the smaller, whoever set it', async () => {
    const outcome = withTimeout((ctx) => withTimeout(never, { ...ctx, timeoutMs: 100, name: 'inner' }), {
      timeoutMs: 20,
      name: 'outer',
    });
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', timeoutMs: 20 });
    await vi.advanceTimersByTimeAsync(20);
    await rejection;
  });

  it.each<[string, unknown, string]>([
    ['timeoutMs', undefined, 'TypeError'],
    ['timeoutMs', '50', 'TypeError'],
    ['timeoutMs', 0, 'RangeError'],
    ['timeoutMs', -1, 'RangeError'],
    ['timeoutMs', Number.NaN, 'RangeError'],
    ['timeoutMs', 2 ** 31, 'RangeError'],
    ['settle', 'later', 'RangeError'],
    ['name', '', 'RangeError'],
    ['signal', 5, 'TypeError'],
    ['deadline', {}, 'TypeError'],
  ])('rejects %s %s', async (option, value, name) => {
    const work = vi.fn();
    const options = { timeoutMs: 5, [option]: value } as unknown as TimeoutOptions;
    await expect(withTimeout(work, options)).rejects.toMatchObject({
      name,
      message: expect.stringContaining(option),
    });
    expect(work).not.toHaveBeenCalled();
  });
});

describe('Deadline', () => {
  it('passes once, and says what remains', async () => {
    const deadline = Deadline.after(50);
    expect([deadline.remainingMs, deadline.expired]).toEqual([50, false]);
    await vi.advanceTimersByTimeAsync(49);
    expect([deadline.remainingMs, deadline.expired]).toEqual([1, false]);
    await vi.advanceTimersByTimeAsync(5);
    expect([deadline.remainingMs, deadline.expired]).toEqual([0, true]);
    expect(JSON.stringify(deadline)).toBe('{"remainingMs":0}');
    expect(Deadline.after(Infinity).expired).toBe(false);
    expect(Deadline.after(0).expired).toBe(true);
  });

  it('refuses what is no time', () => {
    for (const value of [-1, Number.NaN, '5', null])
      expect(() => Deadline.after(value as number)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
      );
  });
});
