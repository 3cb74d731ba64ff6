import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { CircuitBreaker, Policy, subscribe } from '../../src/index.ts';

const never = (): Promise<never> => new Promise(() => {});
const down = new Error('down');
const fail = async (): Promise<never> => {
  throw down;
};

describe('Policy', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('passes through when it has no options', async () => {
    const policy = new Policy({});
    const value = { any: 'value' };
    await expect(policy.execute(({ attempt }) => ({ value, attempt }))).resolves.toEqual({
      value,
      attempt: 1,
    });
    await expect(policy.execute(fail)).rejects.toBe(down);
  });

  it('tries attempts again that take too long, and counts them in the circuit', async () => {
    const policy = new Policy({
      attemptTimeoutMs: 100,
      retry: { maxRetries: 2, jitter: 'none' },
      breaker: { consecutiveFailures: 5 },
    });
    let starts = 0;
    const outcome = policy.execute(() => {
      starts += 1;
      return starts < 3 ? never() : starts;
    });
    await vi.advanceTimersByTimeAsync(1_000);
    await expect(outcome).resolves.toBe(3);
    expect(policy.breaker?.snapshot()).toMatchObject({ settled: 3, failures: 2 });
  });

  it('ends everything at the total time-out, which is a failure of the attempt that runs', async () => {
    const policy = new Policy({ timeoutMs: 50, retry: {}, breaker: {} });
    const rejection = expect(policy.execute(never)).rejects.toMatchObject({ kind: 'total', timeoutMs: 50 });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
    expect(policy.breaker?.snapshot()).toMatchObject({ settled: 1, failures: 1 });
  });

  it('keeps the slot of work that outlives its time-out', async () => {
    const policy = new Policy({ attemptTimeoutMs: 10, bulkhead: { maxConcurrent: 1 } });
    let finish = (): void => {};
    const rejection = expect(
      policy.execute(() => new Promise<void>((resolve) => (finish = resolve))),
    ).rejects.toMatchObject({ kind: 'attempt' });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    await expect(policy.execute(() => 1)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    expect(policy.stats()).toMatchObject({ leaked: 1, bulkheadZombies: 1 });
    finish();
    await vi.advanceTimersByTimeAsync(0);
    await expect(policy.execute(() => 1)).resolves.toBe(1);
  });

  it('stops at an open circuit, with the failure before as the cause', async () => {
    const policy = new Policy({ retry: { jitter: 'none' }, breaker: { consecutiveFailures: 2 } });
    const rejection = expect(policy.execute(fail)).rejects.toMatchObject({
      code: 'CIRCUIT_OPEN',
      cause: down,
    });
    await vi.advanceTimersByTimeAsync(100);
    await rejection;
  });

  it('waits for an open circuit where the total time-out allows it', async () => {
    const policy = new Policy({
      timeoutMs: 10_000,
      retry: { jitter: 'none' },
      breaker: { consecutiveFailures: 1, breakMs: 2_000 },
    });
    let starts = 0;
    const outcome = policy.execute(({ attempt }) => {
      starts += 1;
      if (starts === 1) throw down;
      return attempt;
    });
    await vi.advanceTimersByTimeAsync(2_099);
    expect(starts).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await expect(outcome).resolves.toBe(2);
  });

  it('comes back to a circuit no earlier than its break is over, though timers count whole milliseconds', async () => {
    vi.useRealTimers();
    const rejected: unknown[] = [];
    using _ = subscribe(({ type, data }) => type === 'circuit.rejected' && rejected.push(data));
    const recover = (breakMs: number): Promise<unknown> =>
      new Policy({
        timeoutMs: 20_000,
        retry: { baseDelayMs: 0 },
        breaker: { consecutiveFailures: 1, breakMs },
      }).execute(({ attempt }) => (attempt === 1 ? fail() : attempt));
    const breaks = Array.from({ length: 50 }, (_, index) => 10 + index / 7);
    await expect(Promise.all(breaks.map(recover))).resolves.toEqual(breaks.map(() => 2));
    vi.useFakeTimers();
    expect(rejected).toEqual([]);
  });

  it('asks the fallback, but not for a caller who has left', async () => {
    const policy = new Policy({ breaker: {} });
    const outcome = policy.execute(fail, { fallback: (error) => [error] as const });
    expectTypeOf(outcome).toEqualTypeOf<Promise<readonly [unknown]>>();
    await expect(outcome).resolves.toEqual([down]);
    const controller = new AbortController();
    const fallback = vi.fn();
    const left = policy.execute(never, { signal: controller.signal, fallback });
    controller.abort('left');
    await expect(left).rejects.toBe('left');
    expect(fallback).not.toHaveBeenCalled();
  });

  it('gives each key its own parts, and all keys an instance', async () => {
    const shared = new CircuitBreaker();
    expect(new Policy({ breaker: shared }).for('a').breaker).toBe(shared);
    const policy = new Policy({ name: 'upstream', breaker: { consecutiveFailures: 1 }, maxKeys: 2 });
    await expect(policy.for('a').execute(fail)).rejects.toBe(down);
    expect(policy.for('a').breaker).toMatchObject({ state: 'open', name: 'upstream/a' });
    const b = policy.for('b');
    expect(policy.for('b')).toBe(b);
    policy.for('c');
    expect(policy.for('b')).not.toBe(b);
    expect(policy.for('a').breaker?.state).toBe('open');
    expect(policy.health()).toEqual({ status: 'degraded', detail: 'circuit of a' });
  });
});
