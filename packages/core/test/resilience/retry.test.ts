import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  Bulkhead,
  CircuitBreaker,
  Deadline,
  NoRetryError,
  RetryBudget,
  noRetry,
  retry,
  retryLater,
  subscribe,
  withTimeout,
  type AttemptContext,
  type HoldfastEvent,
  type RetryCallOptions,
} from '../../src/index.ts';
import { deferred } from './deferred.ts';

const down = new Error('down');
const never = (): Promise<never> => new Promise(() => {});

/** Work that fails `times` times and then gives its number of starts. */
const failing = (times: number, error: unknown = down) => {
  let starts = 0;
  return vi.fn(async (_ctx: AttemptContext) => {
    starts += 1;
    if (starts <= times) throw error;
    return starts;
  });
};

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = promise.then(
    (value) => expect.fail(`resolved with ${String(value)}`),
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return outcome;
}

let events: HoldfastEvent[];
let subscription: Disposable;
const reasons = (): unknown[] =>
  events.filter((event) => event.type === 'retry.gave-up').map((event) => event.data['reason']);

beforeEach(() => {
  vi.useFakeTimers();
  events = [];
  subscription = subscribe((event) => events.push(event));
});
afterEach(() => {
  subscription[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('retry', () => {
  it('gives the value of the first success and starts no more than it must', async () => {
    const work = failing(2);
    const outcome = retry(work, { jitter: 'none' });
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(3);
    expect(work).toHaveBeenCalledTimes(3);
    expectTypeOf(outcome).toEqualTypeOf<Promise<number>>();
  });

  it('counts starts from 1, at most maxRetries + 1 of them, and rejects with the last error itself', async () => {
    const errors = [1, 2, 3, 4].map((n) => new Error(`failure ${n}`));
    const attempts: number[] = [];
    const error = await rejectionOf(
      retry(async ({ attempt }) => {
        attempts.push(attempt);
        throw errors[attempt - 1] ?? new Error('too many');
      }),
    );
    expect(error).toBe(errors[3]);
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(reasons()).toEqual(['retries']);
  });

  it('starts the first attempt at once, within the call', () => {
    const work = vi.fn();
    void retry(work);
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('treats a synchronous throw as a rejection, and keeps whatever was thrown', async () => {
    for (const thrown of [undefined, null, 0, 'text', { not: 'an Error' }]) {
      const work = vi.fn(() => {
        throw thrown;
      });
      expect(await rejectionOf(retry(work, { maxRetries: 1 }))).toBe(thrown);
      expect(work).toHaveBeenCalledTimes(2);
    }
  });

  it('retries a TypeError like any other error, since fetch throws it for a lost connection', async () => {
    const outcome = retry(failing(1, new TypeError('fetch failed')));
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(2);
  });

  it('waits as the formula says', async () => {
    const begun = Date.now();
    const startedAt: number[] = [];
    const outcome = retry(
      async () => {
        startedAt.push(Date.now() - begun);
        if (startedAt.length < 4) throw down;
      },
      { jitter: 'none', baseDelayMs: 100, factor: 2 },
    );
    await vi.runAllTimersAsync();
    await outcome;
    expect(startedAt).toEqual([0, 100, 300, 700]);
  });

  it('keeps decorrelated delays to their own execution', async () => {
    const options: RetryCallOptions = {
      jitter: 'decorrelated',
      baseDelayMs: 10,
      random: () => 1,
      maxRetries: 2,
    };
    const delaysOf = async (): Promise<unknown[]> => {
      const delays: number[] = [];
      await rejectionOf(retry(failing(9), { ...options, onRetry: ({ delayMs }) => delays.push(delayMs) }));
      return delays;
    };
    expect(await Promise.all([delaysOf(), delaysOf()])).toEqual([
      [30, 90],
      [30, 90],
    ]);
  });

  it('runs attempts in the context of the caller, also after a wait', async () => {
    vi.useRealTimers();
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    await storage.run('caller', () =>
      retry(
        ({ attempt }) => {
          seen.push(storage.getStore());
          if (attempt < 3) throw down;
        },
        { baseDelayMs: 1 },
      ),
    );
    vi.useFakeTimers();
    expect(seen).toEqual(['caller', 'caller', 'caller']);
  });
});

describe('what retry decides by', () => {
  it('takes classes', async () => {
    class Transient extends Error {}
    const outcome = retry(failing(1, new Transient()), { retryIf: [Transient, RangeError] });
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(2);
    expect(await rejectionOf(retry(failing(1), { retryIf: [Transient] }))).toBe(down);
    expect(reasons()).toEqual(['predicate']);
  });

  it('takes predicates, asynchronous ones too', async () => {
    for (const answer of [true, Promise.resolve(true)]) {
      const outcome = retry(failing(1), { retryIf: () => answer });
      await vi.runAllTimersAsync();
      await expect(outcome).resolves.toBe(2);
    }
    for (const answer of [false, Promise.resolve(false)])
      expect(await rejectionOf(retry(failing(1), { retryIf: () => answer }))).toBe(down);
  });

  it('rejects with what a predicate throws, the error as its cause', async () => {
    for (const fail of [
      (bug: Error) => {
        throw bug;
      },
      (bug: Error) => Promise.reject(bug),
    ]) {
      const bug = new Error('bug');
      expect(await rejectionOf(retry(failing(1), { retryIf: () => fail(bug) }))).toBe(bug);
      expect(bug.cause).toBe(down);
    }
  });

  it('asks no predicate about an error that is final, or when retries are used up', async () => {
    const retryIf = vi.fn(() => true);
    const stop = noRetry(down);
    expect(await rejectionOf(retry(failing(1, stop), { retryIf }))).toBe(stop);
    expect(stop).toBeInstanceOf(NoRetryError);
    expect(stop.cause).toBe(down);
    expect(await rejectionOf(retry(failing(1), { retryIf, maxRetries: 0 }))).toBe(down);
    expect(retryIf).not.toHaveBeenCalled();
  });

  it('obeys `retryable: false` on anybody’s error', async () => {
    const foreign = Object.assign(new Error('bad request'), { retryable: false });
    expect(await rejectionOf(retry(failing(1, foreign)))).toBe(foreign);
    expect(reasons()).toEqual(['predicate']);
  });

  it('tries results again where asked, and resolves the last one when retries run out', async () => {
    let value = 0;
    const work = async (): Promise<number> => (value += 1);
    const good = retry(work, { retryResultIf: (v) => v !== 3 });
    await vi.runAllTimersAsync();
    await expect(good).resolves.toBe(3);
    const last = retry(work, { retryResultIf: async () => true, maxRetries: 2 });
    await vi.runAllTimersAsync();
    await expect(last).resolves.toBe(6);
    expect(reasons()).toEqual(['retries']);
    const bug = new Error('bug');
    const broken = retry(work, {
      retryResultIf: () => {
        throw bug;
      },
    });
    expect(await rejectionOf(broken)).toBe(bug);
  });

  it('does not ask `retryIf` about a result', async () => {
    const retryIf = vi.fn(() => false);
    const outcome = retry(failing(0), { retryIf, retryResultIf: (v) => v === 1 });
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(2);
    expect(retryIf).not.toHaveBeenCalled();
  });
});

describe('how long retry waits', () => {
  it('waits at least as long as the error asks', async () => {
    const work = failing(1, retryLater(5_000, down));
    const outcome = retry(work);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    await expect(outcome).resolves.toBe(2);
  });

  it('waits for the back-off where that is longer', async () => {
    const work = failing(1, retryLater(10));
    const outcome = retry(work, { jitter: 'none', baseDelayMs: 1_000 });
    await vi.advanceTimersByTimeAsync(999);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    await outcome;
  });

  it('asks `retryAfterMs` in place of the error, and takes no nonsense for an answer', async () => {
    const delays: number[] = [];
    const options: RetryCallOptions = {
      jitter: 'none',
      baseDelayMs: 100,
      maxRetries: 1,
      onRetry: ({ delayMs }) => delays.push(delayMs),
    };
    for (const hint of [700, 0, -5, Number.NaN, undefined])
      await rejectionOf(retry(failing(9, retryLater(9_000)), { ...options, retryAfterMs: () => hint }));
    expect(delays).toEqual([700, 100, 100, 100, 100]);
    const odd = Object.assign(new Error('odd'), { retryAfterMs: 'soon' });
    await rejectionOf(retry(failing(9, odd), options));
    expect(delays.at(-1)).toBe(100);
  });

  it('does not come back early where an error asks for longer than it may wait', async () => {
    const error = retryLater(30_001);
    expect(await rejectionOf(retry(failing(9, error)))).toBe(error);
    const outcome = retry(failing(1, error), { maxRetryAfterMs: Infinity });
    await vi.runAllTimersAsync();
    await expect(outcome).resolves.toBe(2);
    expect(reasons()).toEqual(['deadline']);
  });

  it('does not come back at once where an error asks for longer than any timer can be', async () => {
    const controller = new AbortController();
    const work = failing(1, Object.assign(new Error('later'), { retryAfterMs: 1e13 }));
    const outcome = retry(work, { maxRetryAfterMs: Infinity, signal: controller.signal });
    await vi.advanceTimersByTimeAsync(1e6);
    expect(work).toHaveBeenCalledTimes(1);
    controller.abort('enough');
    await expect(outcome).rejects.toBe('enough');
  });

  it('starts nothing after the deadline, however late its timer rings', async () => {
    const budget = new RetryBudget({ minPerSec: 0.1, ratio: 0 });
    const work = failing(9);
    const deadline = Deadline.after(300);
    const outcome = retry(work, { jitter: 'none', deadline, budget });
    await vi.advanceTimersByTimeAsync(99);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 300);
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
    await vi.advanceTimersByTimeAsync(1);
    await rejection;
    clock.mockRestore();
    expect([work.mock.calls.length, budget.available]).toEqual([1, 1]);
  });

  it('does not begin a wait that would not end before the deadline', async () => {
    const work = failing(9);
    const outcome = retry(work, { jitter: 'none', deadline: Deadline.after(300) });
    const rejection = expect(outcome).rejects.toBe(down);
    await vi.advanceTimersByTimeAsync(100);
    await rejection;
    expect(work).toHaveBeenCalledTimes(2);
    expect(reasons()).toEqual(['deadline']);
  });

  it('waits for what refused it only within a deadline, and else stops with the failure before as cause', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1, breakMs: 2_000, halfOpenCalls: 1 });
    const work = failing(1);
    const guarded = (): Promise<number> =>
      breaker.execute(({ signal }) => work({ signal, deadline: undefined, attempt: 0 }));
    const stopped = await rejectionOf(retry(guarded));
    expect(stopped).toMatchObject({ code: 'CIRCUIT_OPEN', cause: down });
    const outcome = retry(guarded, { deadline: Deadline.after(10_000), jitter: 'none' });
    await vi.advanceTimersByTimeAsync(2_100);
    await expect(outcome).resolves.toBe(2);
    expect(reasons()).toEqual(['predicate']);
  });

  it('spreads those who wait for the same circuit over their back-off, so that they do not all come first', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 1, breakMs: 2_000 });
    await expect(breaker.execute(() => Promise.reject(down))).rejects.toBe(down);
    const cameAt: number[] = [];
    const opensAt = Date.now() + 2_000;
    const outcomes = [0, 0.25, 0.5, 0.75].map((share) =>
      retry(({ deadline }) => breaker.execute(() => cameAt.push(Date.now() - opensAt), { deadline }), {
        deadline: Deadline.after(10_000),
        random: () => share,
      }),
    );
    await vi.advanceTimersByTimeAsync(2_075);
    await Promise.all(outcomes);
    expect(cameAt).toEqual([0, 25, 50, 75]);
  });

  it('never retries a refusal that says nothing of when', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    using _ = await bulkhead.acquire();
    const work = vi.fn(() => bulkhead.execute(never));
    expect(await rejectionOf(retry(work, { deadline: Deadline.after(1_000) }))).toMatchObject({
      code: 'BULKHEAD_FULL',
    });
    expect(work).toHaveBeenCalledTimes(1);
  });
});

describe('what ends retry early', () => {
  it('does not start for a caller who has left, or after the deadline', async () => {
    const work = vi.fn();
    await expect(retry(work, { signal: AbortSignal.abort('left') })).rejects.toBe('left');
    await expect(retry(work, { deadline: Deadline.after(0) })).rejects.toMatchObject({ kind: 'deadline' });
    expect(work).not.toHaveBeenCalled();
  });

  it.each<[string, (signal: AbortSignal) => Promise<unknown>]>([
    ['an attempt', (signal) => retry(never, { signal })],
    ['an attempt with a deadline', (signal) => retry(never, { signal, deadline: Deadline.after(60_000) })],
    ['a wait', (signal) => retry(failing(9), { signal, baseDelayMs: 10_000 })],
    ['a predicate', (signal) => retry(failing(9), { signal, retryIf: never })],
    ['a look at a result', (signal) => retry(failing(0), { signal, retryResultIf: never })],
    [
      'a later attempt',
      (signal) =>
        retry(({ attempt }) => (attempt === 1 ? Promise.reject(down) : never()), { signal, baseDelayMs: 0 }),
    ],
  ])('rejects with the abort reason itself, at once, from %s', async (_, start) => {
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const outcome = start(controller.signal);
    const rejection = expect(outcome).rejects.toBe('left');
    await vi.advanceTimersByTimeAsync(5);
    controller.abort('left');
    expect(vi.getTimerCount()).toBe(0);
    await rejection;
    expect(reasons()).toEqual(['aborted']);
    expect(removed).toHaveBeenCalled();
  });

  it('starts nothing and waits for nothing once it is over', async () => {
    const controller = new AbortController();
    const answer = deferred<boolean>();
    const work = failing(9);
    const outcome = retry(work, { signal: controller.signal, retryIf: () => answer.promise });
    const rejection = expect(outcome).rejects.toBe('left');
    await vi.advanceTimersByTimeAsync(0);
    controller.abort('left');
    await rejection;
    answer.resolve(true);
    await vi.runAllTimersAsync();
    expect(work).toHaveBeenCalledTimes(1);
    expect(events.map(({ type }) => type)).toEqual(['retry.gave-up']);
  });

  it('aborts the attempt with the TimeoutError it rejects with when the deadline passes', async () => {
    let seen: AbortSignal | undefined;
    const outcome = retry(
      ({ signal }) => {
        seen = signal;
        return never();
      },
      { deadline: Deadline.after(50), name: 'search' },
    );
    const error = await rejectionOf(outcome);
    expect(error).toMatchObject({ code: 'TIMEOUT', kind: 'deadline', timeoutMs: 50 });
    expect(seen?.reason).toBe(error);
    expect(reasons()).toEqual(['deadline']);
  });

  it('gives a signal that is read late already aborted', async () => {
    let ctx: AttemptContext | undefined;
    const outcome = retry((context) => ((ctx = context), never()), { deadline: Deadline.after(50) });
    expect(await rejectionOf(outcome)).toBe(ctx?.signal.reason);
  });

  it('passes the caller’s own signal through where no deadline could end the work', async () => {
    const { signal } = new AbortController();
    await expect(retry((ctx) => ctx.signal, { signal })).resolves.toBe(signal);
  });

  it('ends by an abort from within the work’s synchronous part', async () => {
    const controller = new AbortController();
    const work = vi.fn(() => (controller.abort('self'), never()));
    await expect(retry(work, { signal: controller.signal })).rejects.toBe('self');
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('is abandoned work to a limit around it for as long as an attempt runs on', async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    const work = deferred();
    const outcome = bulkhead.execute((ctx) =>
      retry(() => work.promise, { ...ctx, deadline: Deadline.after(10) }),
    );
    await rejectionOf(outcome);
    await expect(bulkhead.execute(() => 1)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    work.resolve();
    await vi.advanceTimersByTimeAsync(0);
    await expect(bulkhead.execute(() => 1)).resolves.toBe(1);
  });

  it('leaves no listener on a signal that outlives ten thousand calls', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 10_000 }, (_, index) => retry(async () => index, { signal })));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
  });
});

describe('who hears of retries', () => {
  it('tells onRetry and subscribers before each wait, and why it gave up', async () => {
    const told: unknown[] = [];
    await rejectionOf(
      retry(failing(9), {
        name: 'search',
        maxRetries: 2,
        jitter: 'none',
        onRetry: (event) => told.push(event),
      }),
    );
    expect(told).toEqual([
      { attempt: 1, maxRetries: 2, delayMs: 100, error: down },
      { attempt: 2, maxRetries: 2, delayMs: 200, error: down },
    ]);
    expect(events.map(({ type, name, data }) => [type, name, data])).toEqual([
      ['retry.scheduled', 'search', told[0]],
      ['retry.scheduled', 'search', told[1]],
      ['retry.gave-up', 'search', { reason: 'retries', attempts: 3, error: down }],
    ]);
  });

  it('is not steered by an observer that throws or rejects', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    for (const onRetry of [
      () => {
        throw new Error('observer');
      },
      (async () => {
        throw new Error('observer');
      }) as () => void,
    ]) {
      const outcome = retry(failing(1), { onRetry });
      await vi.runAllTimersAsync();
      await expect(outcome).resolves.toBe(2);
    }
    expect(reported).toHaveBeenCalledTimes(2);
    reported.mockRestore();
  });

  it('is ended at once by an observer that aborts it', async () => {
    const controller = new AbortController();
    const work = failing(9);
    const outcome = retry(work, { signal: controller.signal, onRetry: () => controller.abort('enough') });
    await expect(outcome).rejects.toBe('enough');
    await vi.runAllTimersAsync();
    expect(work).toHaveBeenCalledTimes(1);
  });
});

describe('a retry budget', () => {
  it('starts with minPerSec over its ttl, grows with calls and shrinks with retries', async () => {
    expect(new RetryBudget().available).toBe(100);
    const budget = new RetryBudget({ minPerSec: 0, ratio: 0.5 });
    expect(budget.available).toBe(0);
    for (let call = 0; call < 4; call += 1) await retry(failing(0), { budget });
    expect(budget.available).toBe(2);
    await rejectionOf(retry(failing(9), { budget, maxRetries: 1 }));
    expect(budget.available).toBe(1);
  });

  it('is shared, and charged when a retry is decided, before its wait', async () => {
    const budget = new RetryBudget({ minPerSec: 1, ratio: 0, ttlMs: 10_000 });
    const works = Array.from({ length: 1_000 }, () => failing(9));
    const outcomes = Promise.allSettled(works.map((work) => retry(work, { budget, baseDelayMs: 1_000 })));
    await vi.advanceTimersByTimeAsync(0);
    expect(budget.available).toBe(0);
    await vi.runAllTimersAsync();
    await outcomes;
    expect(budget.refused).toBe(1_000);
    const starts = works.reduce((sum, work) => sum + work.mock.calls.length, 0);
    expect(starts).toBe(1_010);
    expect(reasons().filter((reason) => reason === 'budget')).toHaveLength(1_000);
  });

  it('gets back what was charged for a wait that an abort ended', async () => {
    const budget = new RetryBudget({ minPerSec: 0.1, ratio: 0 });
    const controller = new AbortController();
    const outcome = retry(failing(9), { budget, signal: controller.signal, baseDelayMs: 5_000 });
    await vi.advanceTimersByTimeAsync(0);
    expect(budget.available).toBe(0);
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(budget.available).toBe(1);
  });

  it('forgets calls and retries after its ttl, a tenth of it at a time', async () => {
    const budget = new RetryBudget({ minPerSec: 0.1, ratio: 1, ttlMs: 10_000 });
    await rejectionOf(retry(failing(9), { budget, maxRetries: 1, baseDelayMs: 0 }));
    expect(budget.available).toBe(1);
    budget.deposit();
    budget.deposit();
    await vi.advanceTimersByTimeAsync(8_999);
    expect(budget.available).toBe(3);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(budget.available).toBe(1);
  });

  it('ends nothing that runs', async () => {
    const budget = new RetryBudget({ minPerSec: 0, ratio: 0 });
    const work = deferred<string>();
    const outcome = retry(() => work.promise, { budget });
    expect(budget.spend()).toBe(false);
    work.resolve('fine');
    await expect(outcome).resolves.toBe('fine');
  });

  it.each<[string, unknown, string]>([
    ['ratio', -0.1, 'RangeError'],
    ['ratio', 1_001, 'RangeError'],
    ['ratio', '0.2', 'TypeError'],
    ['minPerSec', -1, 'RangeError'],
    ['minPerSec', Number.NaN, 'RangeError'],
    ['ttlMs', 0, 'RangeError'],
    ['ttlMs', Infinity, 'RangeError'],
    ['ttl', 5, 'TypeError'],
  ])('refuses %s %s', (option, value, name) => {
    expect(() => new RetryBudget({ [option]: value })).toThrow(
      expect.objectContaining({ name, message: expect.stringContaining(option) }),
    );
  });
});

describe('bad options of retry', () => {
  it.each<[string, unknown, string]>([
    ['retryIf', null, 'TypeError'],
    ['retryIf', 'all', 'TypeError'],
    ['retryIf', [Error, 'x'], 'TypeError'],
    ['retryResultIf', true, 'TypeError'],
    ['retryAfterMs', 5, 'TypeError'],
    ['maxRetryAfterMs', -1, 'RangeError'],
    ['maxRetryAfterMs', Number.NaN, 'RangeError'],
    ['maxRetries', -1, 'RangeError'],
    ['maxRetries', '3', 'TypeError'],
    ['baseDelayMs', Number.NaN, 'RangeError'],
    ['jitter', 'some', 'RangeError'],
    ['onRetry', null, 'TypeError'],
    ['name', 5, 'TypeError'],
    ['budget', {}, 'TypeError'],
    ['signal', {}, 'TypeError'],
    ['signal', null, 'TypeError'],
    ['deadline', 500, 'TypeError'],
    ['deadline', { remainingMs: 500 }, 'TypeError'],
  ])('rejects %s %s', async (option, value, name) => {
    const work = vi.fn();
    await expect(retry(work, { [option]: value })).rejects.toMatchObject({
      name,
      code: name === 'TypeError' ? 'ERR_INVALID_ARG_TYPE' : 'ERR_OUT_OF_RANGE',
      message: expect.stringContaining(option),
    });
    expect(work).not.toHaveBeenCalled();
  });

  it('rejects work that is no function and options that are no object', async () => {
    const bad: unknown[] = [null, [], 'x', 5];
    for (const value of bad) {
      await expect(Reflect.apply(retry, undefined, [value])).rejects.toThrow(TypeError);
      await expect(Reflect.apply(retry, undefined, [() => 1, value])).rejects.toThrow(TypeError);
    }
  });

  it('takes a context, spread or whole, with members it does not know', async () => {
    const outcome = withTimeout(
      (ctx) => retry(({ deadline }) => deadline?.remainingMs, { ...ctx, maxWaitMs: 5 } as RetryCallOptions),
      {
        timeoutMs: 100,
      },
    );
    await expect(outcome).resolves.toBe(100);
  });
});
