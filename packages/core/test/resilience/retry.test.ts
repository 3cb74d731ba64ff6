import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Deadline,
  RetryBudget,
  noRetry,
  retry,
  retryLater,
  subscribe,
  type HoldfastEvent,
} from '../../src/index.ts';

const failing = (times: number, error: unknown = new Error('down')) => {
  let calls = 0;
  return vi.fn(async () => {
    calls += 1;
    if (calls <= times) throw error;
    return calls;
  });
};

describe('retry', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('gives the value of the first success and starts no more than it must', async () => {
    const work = failing(2);
    const outcome = retry(work, { jitter: 'none' });
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(3);
    expect(work).toHaveBeenCalledTimes(3);
  });

  it('starts at most maxRetries + 1 times and rejects with the last error itself', async () => {
    const errors = [1, 2, 3, 4].map((n) => new Error(`failure ${n}`));
    let starts = 0;
    const outcome = retry(async ({ attempt }) => {
      starts += 1;
      expect(attempt).toBe(starts);
      throw errors[attempt - 1] ?? new Error('too many');
    });
    const rejection = expect(outcome).rejects.toBe(errors[3]);
    await vi.runAllTimersAsync();
    await rejection;
    expect(starts).toBe(4);
  });

  it('waits as the formula says', async () => {
    const work = failing(3);
    void retry(work, { jitter: 'none', baseDelayMs: 100, factor: 2 });
    const started: number[] = [];
    for (let at = 0; at <= 700; at += 50) {
      await vi.advanceTimersByTimeAsync(at === 0 ? 0 : 50);
      while (started.length < work.mock.calls.length) started.push(at);
    }
    expect(started).toEqual([0, 100, 300, 700]);
  });

  it('rejects with the abort reason itself, at once, also during a wait', async () => {
    const controller = new AbortController();
    const work = failing(9);
    const outcome = retry(work, { signal: controller.signal, baseDelayMs: 10_000 });
    const rejection = expect(outcome).rejects.toBe('enough');
    await vi.advanceTimersByTimeAsync(0);
    controller.abort('enough');
    await rejection;
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('does not begin a wait that would not end before the deadline', async () => {
    const error = new Error('down');
    const outcome = retry(failing(9, error), {
      jitter: 'none',
      baseDelayMs: 100,
      deadline: Deadline.after(300),
    });
    const rejection = expect(outcome).rejects.toBe(error);
    await vi.advanceTimersByTimeAsync(100);
    await rejection;
  });

  it('rejects with a TimeoutError when the deadline passes while the work runs', async () => {
    const outcome = retry(() => new Promise(() => {}), { deadline: Deadline.after(50) });
    const rejection = expect(outcome).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
      timeoutMs: 50,
    });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
  });

  it('obeys noRetry and retryLater', async () => {
    const stop = noRetry(new Error('not found'));
    await expect(retry(failing(1, stop))).rejects.toBe(stop);
    const work = failing(1, retryLater(5_000));
    const outcome = retry(work);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    await expect(outcome).resolves.toBe(2);
  });

  it('stops when the budget is spent, and says so', async () => {
    const events: HoldfastEvent[] = [];
    using _ = subscribe((event) => events.push(event));
    const budget = new RetryBudget({ minPerSec: 0.1, ratio: 0 });
    expect(budget.available).toBe(1);
    const outcome = retry(failing(9), { budget });
    const rejection = expect(outcome).rejects.toThrow('down');
    await vi.runAllTimersAsync();
    await rejection;
    expect(events.at(-1)).toMatchObject({ type: 'retry.gave-up', data: { reason: 'budget', attempts: 2 } });
  });

  it('tries results again where asked, and resolves the last one when retries run out', async () => {
    let value = 0;
    const outcome = retry(async () => (value += 1), { retryResultIf: (v) => v !== 9, maxRetries: 2 });
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(3);
  });

  it('rejects with what a predicate throws, the error as its cause', async () => {
    const error = new Error('down');
    const bug = new Error('bug');
    await expect(
      retry(failing(1, error), {
        retryIf: () => {
          throw bug;
        },
      }),
    ).rejects.toBe(bug);
    expect(bug.cause).toBe(error);
  });
});
