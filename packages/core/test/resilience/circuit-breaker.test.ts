import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitBreaker, Deadline, subscribe, type CircuitBreakerOptions } from '../../src/index.ts';

const down = new Error('down');
const fail = async (): Promise<never> => {
  throw down;
};
const succeed = async (): Promise<string> => 'fine';

async function failTimes(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let call = 0; call < times; call += 1) await expect(breaker.execute(fail)).rejects.toBe(down);
}

async function open(options: CircuitBreakerOptions = {}): Promise<CircuitBreaker> {
  const breaker = new CircuitBreaker({ consecutiveFailures: 1, ...options });
  await failTimes(breaker, 1);
  expect(breaker.state).toBe('open');
  return breaker;
}

function deferred<T = void>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('CircuitBreaker', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('opens at the failure rate, not before there are enough calls, and never on a success', async () => {
    const breaker = new CircuitBreaker({ minimumCalls: 4, failureRate: 0.5 });
    await failTimes(breaker, 3);
    await breaker.execute(succeed);
    expect(breaker.state).toBe('closed');
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('open');
    const refused = vi.fn();
    await expect(breaker.execute(refused)).rejects.toMatchObject({
      code: 'CIRCUIT_OPEN',
      retryAfterMs: 5_000,
    });
    expect(refused).not.toHaveBeenCalled();
  });

  it('closes after enough trials succeed', async () => {
    const breaker = await open();
    await vi.advanceTimersByTimeAsync(4_999);
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ retryAfterMs: 1 });
    await vi.advanceTimersByTimeAsync(1);
    for (const state of ['half-open', 'half-open', 'closed']) {
      await breaker.execute(succeed);
      expect(breaker.state).toBe(state);
    }
  });

  it('lets no more than halfOpenCalls trials run and says when to come back', async () => {
    const breaker = await open({ halfOpenCalls: 2 });
    await vi.advanceTimersByTimeAsync(5_000);
    const trial = deferred();
    const trials = [breaker.execute(() => trial.promise), breaker.execute(() => trial.promise)];
    await vi.advanceTimersByTimeAsync(1_000);
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ state: 'half-open', retryAfterMs: 4_000 });
    trial.resolve();
    await Promise.all(trials);
    expect(breaker.state).toBe('closed');
  });

  it('takes a longer break after each failed recovery, up to the cap', async () => {
    const breaker = await open({ halfOpenCalls: 1, maxBreakMs: 15_000 });
    for (const [leastMs, mostMs] of [
      [9_000, 11_000],
      [13_500, 15_000],
      [13_500, 15_000],
    ] as const) {
      await vi.advanceTimersByTimeAsync(15_000);
      await failTimes(breaker, 1);
      const { openUntil } = breaker.snapshot();
      expect((openUntil ?? 0) - Date.now()).toBeGreaterThanOrEqual(leastMs);
      expect((openUntil ?? 0) - Date.now()).toBeLessThanOrEqual(mostMs);
    }
  });

  it('opens again when trials hang, and their late outcomes move nothing', async () => {
    const breaker = await open({ halfOpenCalls: 1 });
    await vi.advanceTimersByTimeAsync(5_000);
    const trial = deferred();
    const hung = breaker.execute(() => trial.promise);
    await vi.advanceTimersByTimeAsync(5_000);
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ state: 'open' });
    trial.resolve();
    await hung;
    expect(breaker.snapshot()).toMatchObject({ state: 'open', reopenings: 1, staleOutcomes: 1 });
  });

  it('stays half-open where trials are few and none hangs', async () => {
    const breaker = await open({ halfOpenCalls: 2 });
    await vi.advanceTimersByTimeAsync(5_000);
    await breaker.execute(succeed);
    await vi.advanceTimersByTimeAsync(60_000);
    await breaker.execute(succeed);
    expect(breaker.state).toBe('closed');
  });

  it('ignores callers who leave, deadlines of theirs, and what guards refused', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1 });
    const inner = await open();
    const controller = new AbortController();
    const left = breaker.execute(() => new Promise(() => {}), { signal: controller.signal });
    controller.abort('left');
    await expect(left).rejects.toBe('left');
    const late = expect(
      breaker.execute(() => new Promise(() => {}), { deadline: Deadline.after(10) }),
    ).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    await vi.advanceTimersByTimeAsync(10);
    await late;
    await expect(breaker.execute(() => inner.execute(succeed))).rejects.toMatchObject({
      code: 'CIRCUIT_OPEN',
    });
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', settled: 0 });
  });

  it('is isolated until the last handle is disposed of', async () => {
    const breaker = new CircuitBreaker();
    const first = breaker.isolate();
    const second = breaker.isolate();
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(breaker.state).toBe('isolated');
    await expect(breaker.execute(succeed)).rejects.toMatchObject({
      state: 'isolated',
      retryAfterMs: undefined,
    });
    second[Symbol.dispose]();
    await expect(breaker.execute(succeed)).resolves.toBe('fine');
  });

  it('tells each transition with its reason', async () => {
    const told: unknown[] = [];
    using _ = subscribe(({ type, data }) => told.push([type, data['reason']]));
    const breaker = await open({ halfOpenCalls: 1 });
    await vi.advanceTimersByTimeAsync(5_000);
    await breaker.execute(succeed);
    expect(told).toEqual([
      ['circuit.opened', 'consecutive-failures'],
      ['circuit.half-opened', 'break-over'],
      ['circuit.closed', 'recovered'],
    ]);
  });
});
