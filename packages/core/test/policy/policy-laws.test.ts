/** The laws of composition: one order whatever the options' order, one outcome per call, every ending from every state. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Bulkhead,
  CircuitBreaker,
  Deadline,
  Policy,
  RetryBudget,
  TimeoutError,
  sleep,
  subscribe,
  withTimeout,
  type AttemptContext,
  type CallOptions,
  type HoldfastEvent,
  type PolicyOptions,
} from '../../src/index.ts';
import { deferred } from '../resilience/deferred.ts';

const down = new Error('down');
const never = (): Promise<never> => new Promise(() => {});
const fail = async (): Promise<never> => {
  throw down;
};

let events: HoldfastEvent[];
let subscription: Disposable;

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

describe('the order of guards', () => {
  it('has the total time-out around retries and their waits', async () => {
    const policy = new Policy({ timeoutMs: 250, retry: { jitter: 'none', maxRetries: 9 } });
    const work = vi.fn(async ({ attempt }: AttemptContext) => (attempt < 2 ? fail() : never()));
    const rejection = expect(policy.execute(work)).rejects.toMatchObject({ kind: 'total', timeoutMs: 250 });
    await vi.advanceTimersByTimeAsync(250);
    await rejection;
    expect(work).toHaveBeenCalledTimes(2);
  });

  it('has retry around the circuit: each attempt counts', async () => {
    const policy = new Policy({ retry: { jitter: 'none', maxRetries: 2 }, breaker: {} });
    const rejection = expect(policy.execute(fail)).rejects.toBe(down);
    await vi.runAllTimersAsync();
    await rejection;
    expect(policy.breaker?.snapshot()).toMatchObject({ settled: 3, failures: 3 });
  });

  it('has the circuit around the bulkhead: what the circuit refuses takes no slot, a full bulkhead is no failure', async () => {
    const policy = new Policy({ breaker: { consecutiveFailures: 1 }, bulkhead: { maxConcurrent: 1 } });
    const work = deferred();
    const running = policy.execute(() => work.promise);
    await expect(policy.execute(() => 1)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    expect(policy.breaker?.snapshot()).toMatchObject({ state: 'closed', settled: 0 });
    work.reject(down);
    await expect(running).rejects.toBe(down);
    using _ = await policy.bulkhead?.acquire();
    await expect(policy.execute(() => 1)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  });

  it('has the bulkhead around the attempt time-out: waiting in line is not running', async () => {
    const policy = new Policy({ attemptTimeoutMs: 100, bulkhead: { maxConcurrent: 1, maxQueue: 1 } });
    const first = deferred();
    const running = policy.execute(() => first.promise);
    const waiting = policy.execute(never);
    const rejection = expect(waiting).rejects.toMatchObject({ kind: 'attempt', timeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(80);
    first.resolve();
    await running;
    await vi.advanceTimersByTimeAsync(99);
    expect(policy.stats()).toMatchObject({ inFlight: 1 });
    await vi.advanceTimersByTimeAsync(1);
    await rejection;
  });

  it('has the fallback around all of it', async () => {
    const policy = new Policy({ timeoutMs: 50, attemptTimeoutMs: 20, retry: { maxRetries: 0 } });
    const fallback = vi.fn((error: unknown) => error);
    const outcome = policy.execute(never, { fallback });
    await vi.advanceTimersByTimeAsync(20);
    await expect(outcome).resolves.toMatchObject({ kind: 'attempt' });
    await expect(policy.execute(() => 1, { deadline: Deadline.after(0), fallback })).resolves.toMatchObject({
      kind: 'deadline',
    });
    await expect(policy.execute(() => 1, { fallback })).resolves.toBe(1);
    expect(fallback).toHaveBeenCalledTimes(2);
  });

  it('is the same whatever the order of the options', async () => {
    const parts: [keyof PolicyOptions, unknown][] = [
      ['timeoutMs', 400],
      ['retry', { jitter: 'none', maxRetries: 3 }],
      ['breaker', { consecutiveFailures: 3 }],
      ['bulkhead', { maxConcurrent: 1 }],
      ['attemptTimeoutMs', 50],
    ];
    const traceOf = async (options: PolicyOptions): Promise<unknown[]> => {
      events = [];
      const policy = new Policy(options);
      const outcome = policy.execute(({ attempt }) =>
        attempt === 2 ? Promise.resolve('fine').then(fail) : fail(),
      );
      const settled = outcome.catch((error: unknown) => error);
      await vi.runAllTimersAsync();
      return [
        String(await settled),
        ...events.map(({ type, data }) => [type, data['reason'], data['delayMs'], data['attempt']]),
      ];
    };
    const traces = [];
    for (let turn = 0; turn < parts.length; turn += 1) {
      const rotated = [...parts.slice(turn), ...parts.slice(0, turn)];
      traces.push(await traceOf(Object.fromEntries(rotated)));
      traces.push(await traceOf(Object.fromEntries(rotated.toReversed())));
    }
    expect(traces[0]).toEqual([
      'CircuitOpenError: Circuit "policy" is open',
      ['retry.scheduled', undefined, 100, 1],
      ['retry.scheduled', undefined, 200, 2],
      ['circuit.opened', 'consecutive-failures', undefined, undefined],
      ['retry.gave-up', 'deadline', undefined, undefined],
    ]);
    for (const trace of traces) expect(trace).toEqual(traces[0]);
  });
});

describe('shared instances', () => {
  it('are one circuit, one bulkhead and one budget for all policies that have them', async () => {
    const breaker = new CircuitBreaker({ consecutiveFailures: 2 });
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    const budget = new RetryBudget({ minPerSec: 0.1, ratio: 0 });
    const reads = new Policy({ breaker, bulkhead });
    const writes = new Policy({ breaker, bulkhead, retry: { budget } });
    expect([reads.breaker, writes.bulkhead]).toEqual([breaker, bulkhead]);
    const work = deferred();
    const running = reads.execute(() => work.promise);
    await expect(writes.execute(() => 1)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    work.reject(down);
    await expect(running).rejects.toBe(down);
    await expect(reads.execute(fail)).rejects.toBe(down);
    await expect(writes.execute(() => 1)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect(budget.available).toBe(1);
  });

  it('are shared by all keys, where options make parts for each', () => {
    const breaker = new CircuitBreaker();
    const policy = new Policy({
      name: 'upstream',
      breaker,
      bulkhead: { maxConcurrent: 5 },
      retry: { budget: {} },
    });
    const a = policy.for('a');
    const b = policy.for('b');
    expect([a.breaker, b.breaker]).toEqual([breaker, breaker]);
    expect(a.bulkhead).not.toBe(b.bulkhead);
    expect([a.name, a.bulkhead?.name]).toEqual(['upstream/a', 'upstream/a']);
    expect(a.stats()['retriesAvailable']).toBe(100);
  });

  it('of another copy of the package are refused, for they would be read as options and not be shared', () => {
    const foreign = { name: 'search', execute: () => {} };
    for (const part of ['breaker', 'bulkhead'])
      expect(() => Reflect.construct(Policy, [{ [part]: foreign }])).toThrow(TypeError);
  });
});

type Ending = 'abort' | 'deadline' | 'total';
interface State {
  readonly options: PolicyOptions;
  readonly endings: readonly Ending[];
  /** Where the policy's only slot is taken by somebody else. */
  readonly full?: boolean;
  readonly work: (ctx: AttemptContext) => Promise<unknown>;
  readonly call?: { readonly fallback: (error: unknown) => Promise<unknown> };
}

const states: Record<string, State> = {
  'the first attempt': { options: {}, endings: ['abort', 'deadline', 'total'], work: never },
  'an attempt with a time of its own': {
    options: { attemptTimeoutMs: 10_000 },
    endings: ['abort', 'deadline', 'total'],
    work: never,
  },
  'a later attempt': {
    options: { retry: { baseDelayMs: 1 } },
    endings: ['abort', 'deadline', 'total'],
    work: ({ attempt }) => (attempt === 1 ? fail() : never()),
  },
  'the line of the bulkhead': {
    options: { bulkhead: { maxConcurrent: 1, maxQueue: 5 } },
    endings: ['abort', 'deadline', 'total'],
    full: true,
    work: never,
  },
  'the line of the bulkhead, after a failure': {
    options: { bulkhead: { maxConcurrent: 1, maxQueue: 5 }, retry: { baseDelayMs: 1, jitter: 'none' } },
    endings: ['abort', 'deadline', 'total'],
    work: fail,
  },
  'a back-off': {
    options: { retry: { baseDelayMs: 5_000, jitter: 'none' } },
    endings: ['abort'],
    work: fail,
  },
  'a predicate': {
    options: { retry: { retryIf: never } },
    endings: ['abort', 'deadline', 'total'],
    work: fail,
  },
  'a predicate, after an attempt with a time of its own': {
    options: { attemptTimeoutMs: 50, retry: { retryIf: never } },
    endings: ['abort', 'deadline', 'total'],
    work: fail,
  },
  'a look at a result': {
    options: { retry: { retryResultIf: (value) => (value === 'value' ? never() : false) } },
    endings: ['abort', 'deadline', 'total'],
    work: async () => 'value',
  },
  'a fallback': { options: {}, endings: ['abort'], work: fail, call: { fallback: never } },
};

const cases = Object.entries(states).flatMap(([name, state]) =>
  state.endings.map((ending): [Ending, string, State] => [ending, name, state]),
);

describe('every ending from every state', () => {
  it.each(cases)(
    '%s ends %s with its own reason, once, and everything is given back',
    async (ending, _, state) => {
      const policy = new Policy({
        ...state.options,
        breaker: {
          consecutiveFailures: 1,
          halfOpenCalls: 1,
          halfOpenMaxMs: 1e6,
          failureIf: (error) => error !== down,
        },
        ...(ending === 'total' ? { timeoutMs: 8_000 } : {}),
      });
      // half-open, where a trial that is not given back would be missed
      policy.breaker?.restore({ ...policy.breaker.snapshot(), state: 'half-open' });
      const held = state.full === true ? await policy.bulkhead?.acquire() : undefined;
      const controller = new AbortController();
      const added = vi.spyOn(controller.signal, 'addEventListener');
      const removed = vi.spyOn(controller.signal, 'removeEventListener');
      const call: CallOptions = {
        signal: controller.signal,
        deadline: ending === 'deadline' ? Deadline.after(8_000) : undefined,
      };
      const settled: unknown[] = [];
      const outcome = policy.execute(state.work, { ...call, ...state.call });
      outcome.then(
        (value) => settled.push({ value }),
        (error: unknown) => settled.push(error),
      );
      let taken: Disposable | undefined;
      await vi.advanceTimersByTimeAsync(0);
      if (state.work === fail) taken = policy.bulkhead?.tryAcquire();
      await vi.advanceTimersByTimeAsync(100);
      expect(settled).toEqual([]);
      if (ending === 'abort') controller.abort('left');
      await vi.advanceTimersByTimeAsync(7_900);
      expect(settled).toEqual([
        ending === 'abort'
          ? 'left'
          : expect.objectContaining({ code: 'TIMEOUT', kind: ending, timeoutMs: 8_000 }),
      ]);

      expect(vi.getTimerCount()).toBe(0);
      expect(removed.mock.calls.length).toBe(added.mock.calls.length);
      expect(policy.stats()).toMatchObject({
        inFlight: 0,
        aborted: ending === 'abort' && state.call === undefined ? 1 : 0,
        timedOut: ending === 'abort' ? 0 : 1,
      });
      held?.[Symbol.dispose]();
      taken?.[Symbol.dispose]();
      expect(policy.bulkhead?.waiting ?? 0).toBe(0);
      expect(policy.bulkhead?.inUse ?? 0).toBe(
        state.work === never && held === undefined && policy.bulkhead ? 1 : 0,
      );
      // a total time-out is the fault of the attempt that ran; nothing else is anybody's
      const guilty =
        ending === 'total' &&
        (state.work === never || state.options.retry?.baseDelayMs === 1) &&
        held === undefined &&
        taken === undefined;
      expect(policy.breaker?.state === 'open').toBe(guilty);
      if (!guilty) await expect(policy.execute(async () => 'next')).resolves.toBe('next');
    },
  );

  it('by abort comes at once, also while work ignores it', async () => {
    const policy = new Policy({ retry: {}, breaker: {}, bulkhead: { maxConcurrent: 1 } });
    const controller = new AbortController();
    const work = deferred();
    const outcome = policy.execute(() => work.promise, { signal: controller.signal });
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(policy.stats()).toMatchObject({ leaked: 1, aborted: 1, bulkheadInUse: 1, bulkheadZombies: 1 });
    work.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(policy.stats()).toMatchObject({ leaked: 0, bulkheadInUse: 0, bulkheadZombies: 0 });
  });

  it('by abort from within the work’s synchronous part keeps the slot for what it leaves behind', async () => {
    const policy = new Policy({ bulkhead: { maxConcurrent: 1 }, breaker: {}, timeoutMs: 1_000 });
    const controller = new AbortController();
    const work = deferred();
    const outcome = policy.execute(() => (controller.abort('self'), work.promise), {
      signal: controller.signal,
    });
    await expect(outcome).rejects.toBe('self');
    expect(policy.bulkhead?.inUse).toBe(1);
    work.reject(down);
    await vi.advanceTimersByTimeAsync(0);
    expect(policy.bulkhead?.inUse).toBe(0);
  });

  it('by abort in a back-off brings the circuit no second outcome of the attempt before it', async () => {
    const policy = new Policy({
      retry: { baseDelayMs: 1_000, jitter: 'none' },
      breaker: { halfOpenCalls: 3, halfOpenMaxMs: 1e6 },
    });
    policy.breaker?.restore({ ...policy.breaker.snapshot(), state: 'half-open' });
    const controller = new AbortController();
    const outcome = policy.execute(fail, { signal: controller.signal });
    const rejection = expect(outcome).rejects.toBe('left');
    await vi.advanceTimersByTimeAsync(10);
    controller.abort('left');
    await rejection;
    const trials = vi.fn(never);
    for (let call = 0; call < 5; call += 1) policy.execute(trials).catch(() => {});
    expect(trials).toHaveBeenCalledTimes(2);
    expect(policy.breaker?.snapshot()).toMatchObject({ state: 'half-open', settled: 1, staleOutcomes: 0 });
  });

  const within: Record<string, (ctx: AttemptContext) => Promise<unknown>> = {
    'a call that has the same deadline': (ctx) => withTimeout(never, { ...ctx, timeoutMs: 60_000 }),
    'a call whose timer rings first': () => {
      vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 10);
      return Promise.reject(new TimeoutError('within', 'deadline', 10));
    },
  };
  it.each(
    Object.keys(within).flatMap((work) =>
      (['attempt', 'deadline', 'total'] as const).map((kind): [string, typeof kind] => [work, kind]),
    ),
  )('is what it is though %s may notice it first: %s', async (work, kind) => {
    const policy = new Policy({
      breaker: { consecutiveFailures: 1 },
      ...(kind === 'attempt' ? { attemptTimeoutMs: 10 } : {}),
      ...(kind === 'total' ? { timeoutMs: 10 } : {}),
    });
    const outcome = policy.execute(
      within[work] ?? expect.fail(),
      kind === 'deadline' ? { deadline: Deadline.after(10) } : {},
    );
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', kind });
    await vi.advanceTimersByTimeAsync(10);
    await rejection;
    vi.restoreAllMocks();
    expect(policy.breaker?.state).toBe(kind === 'deadline' ? 'closed' : 'open');
    expect(policy.stats()).toMatchObject({ failed: 1, timedOut: kind === 'attempt' ? 0 : 1 });
  });

  it('is counted once where the work notices its end, and time passes before it is known whether to retry', async () => {
    const policy = new Policy({ timeoutMs: 10, retry: { retryIf: () => sleep(20).then(() => true) } });
    const outcome = policy.execute(within['a call whose timer rings first'] ?? expect.fail());
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'total' });
    await vi.advanceTimersByTimeAsync(30);
    await rejection;
    vi.restoreAllMocks();
    expect(policy.stats()).toMatchObject({ failed: 1, timedOut: 1, inFlight: 0 });
  });

  it('by abort at any microtask is the reason itself, and gives back trials and slots', async () => {
    const wholeCall = async (ctx: AttemptContext): Promise<string> => {
      await Promise.resolve();
      if (ctx.attempt === 1) throw down;
      await Promise.resolve();
      return 'fine';
    };
    const outcomes = new Set<unknown>();
    for (let turns = 0; turns < 80; turns += 1) {
      const policy = new Policy({
        timeoutMs: 5_000,
        attemptTimeoutMs: 1_000,
        retry: { baseDelayMs: 0, retryIf: async () => true },
        breaker: { halfOpenCalls: 20, halfOpenMaxMs: 1e6 },
        bulkhead: { maxConcurrent: 1, maxQueue: 5 },
      });
      policy.breaker?.restore({ ...policy.breaker.snapshot(), state: 'half-open' });
      const held = await policy.bulkhead?.acquire();
      const controller = new AbortController();
      const settled: unknown[] = [];
      const call = policy.execute(wholeCall, { signal: controller.signal });
      call.then(
        (value) => settled.push(value),
        (error: unknown) => settled.push(error),
      );
      held?.[Symbol.dispose]();
      for (let turn = 0; turn < turns; turn += 1) {
        await Promise.resolve();
        if (turn === 20) vi.advanceTimersByTime(0);
      }
      controller.abort('left');
      await vi.runAllTimersAsync();
      expect(settled).toHaveLength(1);
      outcomes.add(settled[0]);
      expect(policy.stats()).toMatchObject({ inFlight: 0, leaked: 0, bulkheadInUse: 0, bulkheadWaiting: 0 });
      const { settled: judged, staleOutcomes } = policy.breaker?.snapshot() ?? expect.fail();
      const trials = vi.fn(never);
      const others = Array.from({ length: 25 }, () =>
        policy.breaker?.execute(trials).catch((error: unknown) => error),
      );
      expect(trials).toHaveBeenCalledTimes(20 - judged);
      expect([others.length, staleOutcomes]).toEqual([25, 0]);
    }
    expect(outcomes).toEqual(new Set(['left', 'fine']));
  });

  it('gives a slot back that comes to one who has just left', async () => {
    const policy = new Policy({ timeoutMs: 50, bulkhead: { maxConcurrent: 1, maxQueue: 1 } });
    const permit = await policy.bulkhead?.acquire();
    const controller = new AbortController();
    const work = vi.fn();
    const outcome = policy.execute(work, { signal: controller.signal });
    outcome.catch(() => {});
    permit?.[Symbol.dispose]();
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    await vi.advanceTimersByTimeAsync(0);
    expect(policy.bulkhead?.inUse).toBe(0);
    expect(work).not.toHaveBeenCalled();
  });
});

describe('what an attempt is given', () => {
  it('counts starts of the work: one that was refused is none', async () => {
    const policy = new Policy({
      timeoutMs: 60_000,
      retry: { jitter: 'none', baseDelayMs: 100 },
      breaker: { consecutiveFailures: 1, breakMs: 1_000, halfOpenCalls: 1 },
    });
    const attempts: number[] = [];
    const outcome = policy.execute(async ({ attempt }) => {
      attempts.push(attempt);
      if (attempts.length < 2) throw down;
    });
    await vi.runAllTimersAsync();
    await outcome;
    expect(attempts).toEqual([1, 2]);
  });

  it('is a deadline wherever there is a total time-out, a deadline or an attempt time-out: the soonest', async () => {
    const remaining = (options: PolicyOptions, call?: CallOptions): Promise<number | undefined> =>
      new Policy(options).execute(({ deadline }) => deadline?.remainingMs, call);
    await expect(remaining({})).resolves.toBeUndefined();
    await expect(remaining({ timeoutMs: 500 })).resolves.toBe(500);
    await expect(remaining({ timeoutMs: 500, attemptTimeoutMs: 100 })).resolves.toBe(100);
    await expect(remaining({ timeoutMs: 500 }, { deadline: Deadline.after(50) })).resolves.toBe(50);
  });

  it('is the caller’s own signal where nothing else could end the attempt', async () => {
    const { signal } = new AbortController();
    await expect(
      new Policy({ retry: {}, breaker: {} }).execute((ctx) => ctx.signal, { signal }),
    ).resolves.toBe(signal);
  });

  it('runs in the context of the caller, also after a line and a back-off', async () => {
    vi.useRealTimers();
    const storage = new AsyncLocalStorage<string>();
    const policy = new Policy({ retry: { baseDelayMs: 1 }, bulkhead: { maxConcurrent: 1, maxQueue: 5 } });
    const run = (name: string): Promise<unknown> =>
      storage.run(name, () =>
        policy.execute(async ({ attempt }) => {
          if (attempt === 1) throw down;
          return [name, storage.getStore()];
        }),
      );
    const answers = await Promise.all(['a', 'b', 'c'].map(run));
    vi.useFakeTimers();
    expect(answers).toEqual([
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ]);
  });
});

describe('policy.for', () => {
  it('gives the key used longest ago for a new one, but none in use, in its back-off or not closed', async () => {
    const policy = new Policy({
      maxKeys: 3,
      retry: { baseDelayMs: 1_000, jitter: 'none' },
      breaker: { consecutiveFailures: 1 },
    });
    const waiting = policy
      .for('waits')
      .execute(({ attempt }) => (attempt === 1 ? fail() : 1), { deadline: Deadline.after(60_000) });
    await vi.advanceTimersByTimeAsync(0);
    const idle = policy.for('idle');
    const work = deferred();
    const running = policy.for('runs').execute(() => work.promise);
    policy.for('new');
    expect([...policy.entries()].map(([key]) => key)).toEqual(['waits', 'runs', 'new']);
    expect(policy.for('idle')).not.toBe(idle);
    work.resolve();
    await running;
    await vi.runAllTimersAsync();
    await waiting;
  });

  it('keeps nothing of a key for which there is no room, and counts it', async () => {
    const policy = new Policy({ maxKeys: 1 });
    const work = deferred();
    const running = policy.for('busy').execute(() => work.promise);
    const stranger = policy.for('stranger');
    await expect(stranger.execute(() => 'fine')).resolves.toBe('fine');
    expect(policy.for('stranger')).not.toBe(stranger);
    expect(policy.stats()).toMatchObject({ keys: 1, unregisteredKeys: 2 });
    work.resolve();
    await running;
    expect(policy.for('stranger')).toBe(policy.for('stranger'));
  });

  it('forgets a key whose circuit has been due for as long as the longest break', async () => {
    const policy = new Policy({
      maxKeys: 1,
      breaker: { consecutiveFailures: 1, breakMs: 1_000, maxBreakMs: 4_000 },
    });
    await expect(policy.for('dead').execute(fail)).rejects.toBe(down);
    await vi.advanceTimersByTimeAsync(4_999);
    policy.for('new');
    expect([...policy.entries()].map(([key]) => key)).toEqual(['dead']);
    await vi.advanceTimersByTimeAsync(1);
    policy.for('new');
    expect([...policy.entries()].map(([key]) => key)).toEqual(['new']);
  });

  it('is not kept busy by a circuit that all keys share', async () => {
    const policy = new Policy({ maxKeys: 1, breaker: new CircuitBreaker({ consecutiveFailures: 1 }) });
    await expect(policy.for('a').execute(fail)).rejects.toBe(down);
    policy.for('b');
    expect([...policy.entries()].map(([key]) => key)).toEqual(['b']);
  });

  it('refuses what is no key, and says which circuits refuse', async () => {
    const policy = new Policy({ breaker: { consecutiveFailures: 1 } });
    for (const key of ['', 5, null])
      expect(() => policy.for(key as string)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
      );
    expect(policy.health()).toEqual({ status: 'up' });
    for (const key of ['a', 'b']) await expect(policy.for(key).execute(fail)).rejects.toBe(down);
    expect(policy.health()).toEqual({ status: 'degraded', detail: 'circuit of a and 1 more' });
  });
});

describe('a policy', () => {
  it('counts what became of calls', async () => {
    const policy = new Policy({ retry: { maxRetries: 1, baseDelayMs: 0 } });
    await policy.execute(() => 1);
    const rejection = expect(policy.execute(fail)).rejects.toBe(down);
    await vi.runAllTimersAsync();
    await rejection;
    expect(policy.stats()).toEqual({
      inFlight: 0,
      succeeded: 1,
      failed: 1,
      aborted: 0,
      timedOut: 0,
      retries: 1,
      leaked: 0,
      keys: 0,
      unregisteredKeys: 0,
    });
  });

  it('gives a retry of its options one budget for all calls', async () => {
    const policy = new Policy({ retry: { baseDelayMs: 0, budget: { minPerSec: 0.1, ratio: 0 } } });
    const outcomes = Promise.allSettled([policy.execute(fail), policy.execute(fail)]);
    await vi.runAllTimersAsync();
    await outcomes;
    expect(policy.stats()).toMatchObject({ retries: 1, retriesAvailable: 0, retriesRefused: 2 });
  });

  it('tells nobody that it gave up where it was never to retry', async () => {
    await expect(new Policy({ breaker: {} }).execute(fail)).rejects.toBe(down);
    expect(events).toEqual([]);
  });

  it('leaves no listener on a signal that outlives ten thousand calls', async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const policy = new Policy({
      timeoutMs: 1_000,
      attemptTimeoutMs: 100,
      retry: {},
      breaker: {},
      bulkhead: { maxConcurrent: 10, maxQueue: Infinity },
    });
    await Promise.all(Array.from({ length: 10_000 }, () => policy.execute(async () => 1, { signal })));
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed).toHaveBeenCalledTimes(1);
    expect(policy.stats()).toMatchObject({ succeeded: 10_000, inFlight: 0, bulkheadInUse: 0 });
  });

  it.each<[unknown]>([
    [null],
    [{ timeout: 5 }],
    [{ timeoutMs: 0 }],
    [{ attemptTimeoutMs: '5' }],
    [{ retry: { retries: 3 } }],
    [{ retry: { maxRetries: -1 } }],
    [{ retry: null }],
    [{ breaker: { breakMs: 0 } }],
    [{ breaker: true }],
    [{ bulkhead: {} }],
    [{ maxKeys: 0 }],
    [{ name: '' }],
  ])('refuses %j at construction', (options) => {
    expect(() => Reflect.construct(Policy, [options])).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
    );
  });

  it('rejects bad arguments of a call', async () => {
    const policy = new Policy();
    const call = (...args: unknown[]): Promise<unknown> =>
      policy.execute(...(args as Parameters<typeof policy.execute>));
    for (const args of [[5], [() => 1, null], [() => 1, { signal: 5 }], [() => 1, { fallback: null }]])
      await expect(call(...args)).rejects.toThrow(TypeError);
  });
});
