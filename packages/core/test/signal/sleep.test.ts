import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, sleep } from '../../src/index.ts';

describe('sleep', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('resolves after the delay', async () => {
    let awake = false;
    const slept = sleep(1_000).then(() => (awake = true));
    await vi.advanceTimersByTimeAsync(999);
    expect(awake).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await slept;
  });

  it('rejects at once with the abort reason itself, and leaves no timer', async () => {
    const controller = new AbortController();
    const slept = sleep(1_000, { signal: controller.signal });
    const rejection = expect(slept).rejects.toBe('left');
    controller.abort('left');
    expect(vi.getTimerCount()).toBe(0);
    await rejection;
    await expect(sleep(1, { signal: controller.signal })).rejects.toBe('left');
  });

  it('rejects when a deadline passes first, not before', async () => {
    let rejected: unknown;
    sleep(1_000, { deadline: Deadline.after(300) }).catch((error: unknown) => (rejected = error));
    await vi.advanceTimersByTimeAsync(299);
    expect(rejected).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(rejected).toMatchObject({ code: 'TIMEOUT', kind: 'deadline', timeoutMs: 300 });
    await expect(sleep(1, { deadline: Deadline.after(0) })).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
    });
  });

  it.each([
    [-1, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_OUT_OF_RANGE'],
    [2 ** 31, 'ERR_OUT_OF_RANGE'],
    ['5', 'ERR_INVALID_ARG_TYPE'],
  ])('rejects a delay of %s', async (delayMs, code) => {
    await expect(sleep(delayMs as number)).rejects.toMatchObject({ code });
  });
});
