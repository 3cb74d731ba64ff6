import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  CircuitBreaker,
  Deadline,
  HttpStatusError,
  Semaphore,
  subscribe,
  withTimeout,
  type CircuitBreakerOptions,
  type CircuitSnapshot,
} from '../../src/index.ts';
import { deferred } from './deferred.ts';

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

describe('CircuitBreaker', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('asks whom it refuses to wait for some time, however near the end of the break is', async () => {
    const breaker = await open({ breakMs: 50 });
    const openedAt = performance.now();
    let readings = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      readings += 1;
      return openedAt + (readings === 1 ? 49 : 51);
    });
    const refused = breaker.execute(succeed);
    clock.mockRestore();
    await expect(refused).rejects.toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 1 });
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

  it('gives all trials together halfOpenMaxMs, from when the first of them began', async () => {
    const breaker = await open({ halfOpenCalls: 2 });
    await vi.advanceTimersByTimeAsync(5_000);
    void breaker.execute(() => new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(3_000);
    void breaker.execute(() => new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(1_999);
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ state: 'half-open', retryAfterMs: 1 });
    await vi.advanceTimersByTimeAsync(1);
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ state: 'open' });
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

  it('judges the calls of the last windowMs', async () => {
    const breaker = new CircuitBreaker({ minimumCalls: 4, windowMs: 10_000 });
    await failTimes(breaker, 3);
    await vi.advanceTimersByTimeAsync(10_000);
    await failTimes(breaker, 3);
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', settled: 3 });
    await vi.advanceTimersByTimeAsync(8_000);
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('judges the last windowSize calls where asked', async () => {
    const breaker = new CircuitBreaker({ windowSize: 4, failureRate: 0.75 });
    await failTimes(breaker, 2);
    for (let call = 0; call < 3; call += 1) await breaker.execute(succeed);
    await failTimes(breaker, 2);
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', settled: 4, failures: 2 });
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('counts only calls that have settled: what hangs or is refused dilutes nothing', async () => {
    const breaker = new CircuitBreaker({ minimumCalls: 20 });
    const hung = Array.from({ length: 50 }, () => deferred());
    const calls = hung.map(({ promise }) => breaker.execute(() => promise));
    await failTimes(breaker, 20);
    expect(breaker.state).toBe('open');
    for (const one of hung) one.resolve();
    await Promise.all(calls);
    expect(breaker.snapshot()).toMatchObject({ state: 'open', settled: 20, failures: 20, staleOutcomes: 50 });
  });

  it('opens when too many calls are slow, whether they fail or not', async () => {
    const breaker = new CircuitBreaker({ windowSize: 4, minimumCalls: 4, slowCallMs: 100, slowRate: 0.5 });
    const slow = async (): Promise<void> => {
      const work = deferred();
      const call = breaker.execute(() => work.promise);
      await vi.advanceTimersByTimeAsync(100);
      work.resolve();
      await call;
    };
    await slow();
    await breaker.execute(succeed);
    await breaker.execute(succeed);
    expect(breaker.snapshot()).toMatchObject({ settled: 3, slow: 1 });
    await slow();
    expect(breaker.state).toBe('open');
  });

  it('opens after failures in a row, however few calls there are, and a success in between starts anew', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 3 });
    await failTimes(breaker, 2);
    await breaker.execute(succeed);
    await failTimes(breaker, 2);
    expect(breaker.state).toBe('closed');
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('takes an error that failureIf rejects for an answer, by class and by predicate', async () => {
    class NotFound extends Error {}
    const missing = async (): Promise<never> => {
      throw new NotFound();
    };
    for (const failureIf of [[RangeError], (error: unknown) => !(error instanceof NotFound)] as const) {
      const breaker = new CircuitBreaker({ consecutiveFailures: 1, failureIf });
      await expect(breaker.execute(missing)).rejects.toBeInstanceOf(NotFound);
      expect(breaker.snapshot()).toMatchObject({ state: 'closed', settled: 1, failures: 0 });
    }
  });

  it('learns from a predicate that answers later, and keeps nobody waiting for it', async () => {
    const answer = deferred<boolean>();
    const breaker = new CircuitBreaker({ consecutiveFailures: 1, failureIf: () => answer.promise });
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('closed');
    answer.resolve(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(breaker.state).toBe('open');
  });

  it('counts a failure where failureIf throws or rejects, and rejects with the original error', async () => {
    for (const failureIf of [
      () => {
        throw new Error('bug');
      },
      () => Promise.reject(new Error('bug')),
    ]) {
      const breaker = new CircuitBreaker({ consecutiveFailures: 1, failureIf });
      await failTimes(breaker, 1);
      await vi.advanceTimersByTimeAsync(0);
      expect(breaker.state).toBe('open');
    }
  });

  it('takes a status below 500 for an answer, and a wait in line for nothing', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1 });
    const answer = (status: number): Promise<unknown> =>
      breaker
        .execute(() => Promise.reject(new HttpStatusError(status, 'http://upstream')))
        .catch((error: unknown) => error);
    await answer(404);
    await answer(429);
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    using _ = await semaphore.acquire();
    await expect(breaker.execute(() => semaphore.execute(succeed, { maxWaitMs: 0 }))).rejects.toMatchObject({
      kind: 'wait',
    });
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', settled: 2, failures: 0 });
    await answer(503);
    expect(breaker.state).toBe('open');
  });

  it('counts an inner time-out as a failure', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1 });
    const call = breaker.execute((ctx) =>
      withTimeout(() => new Promise(() => {}), { ...ctx, timeoutMs: 10 }),
    );
    const rejection = expect(call).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'total' });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    expect(breaker.state).toBe('open');
  });

  it('gives the trial of a caller who leaves to the next one', async () => {
    const breaker = await open({ halfOpenCalls: 1 });
    await vi.advanceTimersByTimeAsync(5_000);
    const controller = new AbortController();
    const left = breaker.execute(() => new Promise(() => {}), { signal: controller.signal });
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ state: 'half-open' });
    controller.abort('left');
    await expect(left).rejects.toBe('left');
    expect(breaker.state).toBe('half-open');
    await breaker.execute(succeed);
    expect(breaker.state).toBe('closed');
  });

  it('opens again as soon as the trials that are left cannot save it', async () => {
    const breaker = await open({ halfOpenCalls: 4, failureRate: 0.5 });
    await vi.advanceTimersByTimeAsync(5_000);
    await failTimes(breaker, 1);
    await breaker.execute(succeed);
    expect(breaker.state).toBe('half-open');
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  it('begins with a short break again after it was closed', async () => {
    const breaker = await open({ halfOpenCalls: 1 });
    await vi.advanceTimersByTimeAsync(5_000);
    await failTimes(breaker, 1);
    await vi.advanceTimersByTimeAsync(11_000);
    await breaker.execute(succeed);
    await failTimes(breaker, 1);
    expect((breaker.snapshot().openUntil ?? 0) - Date.now()).toBe(5_000);
  });

  it('does not call the work of a caller who has left, and asks nothing of the circuit', async () => {
    const breaker = await open();
    const work = vi.fn();
    await expect(breaker.execute(work, { signal: AbortSignal.abort('left') })).rejects.toBe('left');
    await expect(breaker.execute(work, { deadline: Deadline.after(0) })).rejects.toMatchObject({
      kind: 'deadline',
    });
    expect(work).not.toHaveBeenCalled();
    expect(breaker.snapshot().rejected).toBe(0);
  });

  it('treats a synchronous throw as a rejection', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1 });
    const call = breaker.execute(() => {
      throw down;
    });
    await expect(call).rejects.toBe(down);
    expect(breaker.state).toBe('open');
  });

  it('hands out a context that nobody can change, and a signal of its own to whoever reads it', async () => {
    const breaker = new CircuitBreaker();
    const one = await breaker.execute((ctx) => ctx);
    const signals = [one.signal, await breaker.execute((ctx) => ctx.signal)];
    expect(new Set(signals).size).toBe(2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    expect(Object.keys(one).toSorted()).toEqual(['deadline', 'signal']);
    expect(() => Object.assign(one, { extra: 1 })).toThrow(TypeError);
  });

  it('goes on from a snapshot in another process', async () => {
    const breaker = await open({ breakMs: 8_000 });
    const snapshot: CircuitSnapshot = JSON.parse(JSON.stringify(breaker.snapshot()));
    expect(snapshot).toEqual({
      state: 'open',
      openUntil: Date.now() + 8_000,
      reopenings: 0,
      settled: 1,
      failures: 1,
      slow: 0,
      rejected: 0,
      staleOutcomes: 0,
    });
    const next = new CircuitBreaker({ breakMs: 8_000, halfOpenCalls: 1 });
    next.restore(snapshot);
    expect(next.snapshot()).toEqual(snapshot);
    await vi.advanceTimersByTimeAsync(7_999);
    await expect(next.execute(succeed)).rejects.toMatchObject({ retryAfterMs: 1 });
    await vi.advanceTimersByTimeAsync(1);
    await next.execute(succeed);
    expect(next.state).toBe('closed');
  });

  it('restores a window, a half-open circuit as one whose next call is a trial, and isolation', async () => {
    const snapshot: CircuitSnapshot = {
      state: 'closed',
      openUntil: null,
      reopenings: 0,
      settled: 19,
      failures: 9,
      slow: 0,
      rejected: 5,
      staleOutcomes: 2,
    };
    const breaker = new CircuitBreaker();
    breaker.restore(snapshot);
    expect(breaker.snapshot()).toEqual(snapshot);
    await failTimes(breaker, 1);
    expect(breaker.state).toBe('open');

    breaker.restore({ ...snapshot, state: 'half-open', reopenings: 3 });
    await breaker.execute(succeed);
    expect(breaker.snapshot()).toMatchObject({ state: 'half-open', reopenings: 3, settled: 1 });

    breaker.restore({ ...snapshot, state: 'isolated' });
    await expect(breaker.execute(succeed)).rejects.toMatchObject({ state: 'isolated' });
    breaker.isolate()[Symbol.dispose]();
    expect(breaker.state).toBe('closed');
  });

  it('starts a new epoch when restored, stays isolated while somebody holds it, and trusts no clock for too long', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1 });
    const work = deferred();
    const call = breaker.execute(() => work.promise);
    const closed = breaker.snapshot();
    breaker.restore(closed);
    work.reject(down);
    await expect(call).rejects.toBe(down);
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', staleOutcomes: 1 });
    using handle = breaker.isolate();
    breaker.restore(closed);
    expect(breaker.state).toBe('isolated');
    handle[Symbol.dispose]();
    breaker.restore({ ...closed, state: 'open', openUntil: Date.now() + 1e12 });
    expect(breaker.snapshot().openUntil).toBe(Date.now() + 60_000);
  });

  it('is as it was restored to be when observers are told of it', async () => {
    const breaker = new CircuitBreaker({ halfOpenCalls: 1 });
    const looked: unknown[] = [];
    using _ = subscribe(({ type, data }) => {
      looked.push([type, data['breakMs'], breaker.snapshot()]);
      if (type === 'circuit.opened') breaker.execute(succeed).catch(() => {});
    });
    const openUntil = Date.now() + 3_000;
    const snapshot = { ...breaker.snapshot(), state: 'open', openUntil, reopenings: 2, rejected: 5 } as const;
    breaker.restore(snapshot);
    expect(looked[0]).toEqual(['circuit.opened', 3_000, snapshot]);
    expect(breaker.snapshot()).toEqual({ ...snapshot, rejected: 6 });
  });

  it.each<unknown>([
    null,
    {},
    { state: 'broken' },
    {
      state: 'open',
      openUntil: 'soon',
      reopenings: 0,
      settled: 0,
      failures: 0,
      slow: 0,
      rejected: 0,
      staleOutcomes: 0,
    },
    {
      state: 'closed',
      openUntil: null,
      reopenings: -1,
      settled: 0,
      failures: 0,
      slow: 0,
      rejected: 0,
      staleOutcomes: 0,
    },
  ])('restores nothing from %j', (snapshot) => {
    const breaker = new CircuitBreaker();
    expect(() => breaker.restore(snapshot as CircuitSnapshot)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/ERR_/) }),
    );
  });

  it('is a component: named, with figures, degraded while it refuses', async () => {
    const breaker = await open({ name: 'search' });
    await expect(breaker.execute(succeed)).rejects.toThrow('"search"');
    expect(breaker.stats()).toEqual({
      state: 'open',
      reopenings: 0,
      settled: 1,
      failures: 1,
      slow: 0,
      rejected: 1,
      staleOutcomes: 0,
    });
    expect(breaker.health()).toEqual({ status: 'degraded', detail: 'circuit open' });
    expect(new CircuitBreaker().health()).toEqual({ status: 'up' });
  });

  it('leaves no listener on a signal that outlives ten thousand calls', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const breaker = new CircuitBreaker();
    await Promise.all(Array.from({ length: 10_000 }, () => breaker.execute(succeed, { signal })));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
  });

  it.each<[CircuitBreakerOptions, string]>([
    [{ windowMs: 1_000, windowSize: 10 }, 'TypeError'],
    [{ windowSize: 0 }, 'RangeError'],
    [{ windowSize: 1.5 }, 'RangeError'],
    [{ windowSize: Infinity }, 'RangeError'],
    [{ windowMs: Infinity }, 'RangeError'],
    [{ minimumCalls: 0 }, 'RangeError'],
    [{ windowSize: 10, minimumCalls: 11 }, 'RangeError'],
    [{ failureRate: 0 }, 'RangeError'],
    [{ failureRate: 1.1 }, 'RangeError'],
    [{ slowCallMs: 0 }, 'RangeError'],
    [{ slowRate: 0.5 }, 'TypeError'],
    [{ slowCallMs: 5, slowRate: 2 }, 'RangeError'],
    [{ consecutiveFailures: 0 }, 'RangeError'],
    [{ breakMs: 0 }, 'RangeError'],
    [{ breakMs: Number.NaN }, 'RangeError'],
    [{ breakMs: 5_000, maxBreakMs: 4_000 }, 'RangeError'],
    [{ halfOpenCalls: 0 }, 'RangeError'],
    [{ halfOpenCalls: Infinity }, 'RangeError'],
    [{ halfOpenMaxMs: -1 }, 'RangeError'],
    [{ name: '' }, 'RangeError'],
  ])('refuses %j at construction', (options, name) => {
    expect(() => new CircuitBreaker(options)).toThrow(expect.objectContaining({ name }));
  });

  it('refuses options of the wrong type, and ones it does not know', () => {
    for (const options of [
      null,
      [],
      { failureIf: 5 },
      { breakMs: '5' },
      { halfOpenCalls: true },
      { breakMS: 5 },
    ])
      expect(() => Reflect.construct(CircuitBreaker, [options])).toThrow(TypeError);
  });

  it('raises defaults where one of two was given', () => {
    expect(() => new CircuitBreaker({ breakMs: 120_000 })).not.toThrow();
    expect(() => new CircuitBreaker({ windowSize: 5 })).not.toThrow();
    expect(() => new CircuitBreaker({ breakMs: Infinity })).not.toThrow();
  });
});
