/** Random calls, outcomes, aborts, isolations, restarts and steps of time, against a reference that does the same in the plainest way. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitBreaker, type CircuitBreakerOptions, type CircuitSnapshot } from '../../src/index.ts';
import { deferred, type Deferred } from './deferred.ts';

type Rules = Record<Exclude<keyof CircuitBreakerOptions, 'name' | 'windowMs' | 'failureIf'>, number>;

interface Outcome {
  readonly failed: boolean;
  readonly slow: boolean;
}

class Reference {
  state = 'closed';
  epoch = 0;
  reopenings = 0;
  rejected = 0;
  stale = 0;
  openUntil = 0;
  outcomes: Outcome[] = [];
  consecutive = 0;
  running = 0;
  runningSince = 0;
  handles = 0;
  readonly rules: Rules;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  admit(at: number): boolean {
    if (this.state === 'open' && at >= this.openUntil) this.enter('half-open');
    if (this.state === 'half-open') {
      if (this.running > 0 && at - this.runningSince >= this.rules.halfOpenMaxMs) this.open(at, true);
      else if (this.running + this.outcomes.length < this.rules.halfOpenCalls) {
        if (this.running === 0) this.runningSince = at;
        this.running += 1;
        return true;
      }
    }
    if (this.state === 'closed') return true;
    this.rejected += 1;
    return false;
  }

  settle(epoch: number, at: number, outcome: Outcome | undefined): void {
    if (epoch !== this.epoch) {
      this.stale += 1;
      return;
    }
    const { rules } = this;
    if (this.state === 'half-open') {
      this.running -= 1;
      if (outcome === undefined) return;
      this.outcomes.push(outcome);
      const failures = this.outcomes.filter(({ failed }) => failed).length;
      const slow = this.outcomes.filter((one) => one.slow).length;
      if (failures / rules.halfOpenCalls >= rules.failureRate || slow / rules.halfOpenCalls >= rules.slowRate)
        this.open(at, true);
      else if (this.outcomes.length === rules.halfOpenCalls) {
        this.reopenings = 0;
        this.enter('closed');
      }
      return;
    }
    if (outcome === undefined) return;
    this.outcomes = [...this.outcomes, outcome].slice(-rules.windowSize);
    this.consecutive = outcome.failed ? this.consecutive + 1 : 0;
    const settled = this.outcomes.length;
    const share = (what: keyof Outcome): number => this.outcomes.filter((one) => one[what]).length / settled;
    const enough = settled >= rules.minimumCalls;
    if (
      (outcome.failed && this.consecutive >= rules.consecutiveFailures) ||
      (outcome.failed && enough && share('failed') >= rules.failureRate) ||
      (outcome.slow && enough && share('slow') >= rules.slowRate)
    )
      this.open(at, false);
  }

  isolate(): void {
    this.handles += 1;
    if (this.state === 'isolated') return;
    this.reopenings = 0;
    this.enter('isolated');
  }

  release(): void {
    this.handles -= 1;
    if (this.handles === 0) this.enter('closed');
  }

  /** What another process makes of a snapshot: failures first, slow calls last, and no trial under way. */
  restart(at: number): void {
    const { state, reopenings, outcomes } = this;
    const count = (what: keyof Outcome): number => outcomes.filter((one) => one[what]).length;
    const [failures, slow] = [count('failed'), count('slow')];
    this.openUntil = state === 'open' ? Math.max(this.openUntil, at) : at;
    this.enter(state === 'half-open' ? 'open' : state);
    this.reopenings = reopenings;
    if (state === 'closed')
      this.outcomes = outcomes.map((_, index) => ({
        failed: index < failures,
        slow: outcomes.length - index <= slow,
      }));
  }

  private open(at: number, again: boolean): void {
    if (again) this.reopenings += 1;
    this.openUntil = at + Math.min(this.rules.maxBreakMs, this.rules.breakMs * 2 ** this.reopenings);
    this.enter('open');
  }

  private enter(state: string): void {
    this.state = state;
    this.epoch += 1;
    this.outcomes = [];
    this.consecutive = 0;
    this.running = 0;
  }
}

type Step =
  | { readonly do: 'call' }
  | { readonly do: 'settle'; readonly which: number; readonly how: 'success' | 'failure' | 'refusal' }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'isolate' }
  | { readonly do: 'release' }
  | { readonly do: 'restart' }
  | { readonly do: 'outage' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: fc.constant<Step>({ do: 'call' }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(),
      how: fc.oneof(
        { weight: 4, arbitrary: fc.constant('failure' as const) },
        { weight: 4, arbitrary: fc.constant('success' as const) },
        { weight: 1, arbitrary: fc.constant('refusal' as const) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 20, 45, 60, 110, 210, 450),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>(
      { do: 'isolate' },
      { do: 'release' },
      { do: 'release' },
      { do: 'restart' },
      { do: 'outage' },
      { do: 'outage' },
    ),
  },
);

const rules: fc.Arbitrary<Rules> = fc
  .record({
    windowSize: fc.integer({ min: 1, max: 6 }),
    minimumCalls: fc.integer({ min: 1, max: 6 }),
    failureRate: fc.constantFrom(0.3, 0.5, 0.75, 1),
    slowCallMs: fc.constantFrom(60, 100_000),
    slowRate: fc.constantFrom(0.5, 1),
    consecutiveFailures: fc.constantFrom(1, 3, Infinity),
    breakMs: fc.constantFrom(50, 100),
    maxBreakMs: fc.constantFrom(100, 400),
    halfOpenCalls: fc.integer({ min: 1, max: 3 }),
    halfOpenMaxMs: fc.constantFrom(40, 150),
  })
  .map((options) => ({ ...options, minimumCalls: Math.min(options.minimumCalls, options.windowSize) }));

interface Running {
  readonly work: Deferred<string>;
  readonly controller: AbortController;
  readonly epoch: number;
  readonly startedAt: number;
}

const down = new Error('down');

describe('CircuitBreaker', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  it('does what the reference does, whatever happens in whatever order, and is never wedged', async () => {
    await fc.assert(
      fc.asyncProperty(rules, fc.array(step, { minLength: 20, maxLength: 120 }), async (options, steps) => {
        const breaker = new CircuitBreaker(options);
        const reference = new Reference(options);
        const other = new CircuitBreaker();
        using _ = other.isolate();
        const handles: Disposable[] = [];
        const running: Running[] = [];
        const trials = new Map<number, number>();
        const flush = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

        const call = async (): Promise<void> => {
          const work = deferred<string>();
          const controller = new AbortController();
          const admitted = reference.admit(performance.now());
          const { epoch } = reference;
          let called = false;
          const outcome = breaker.execute(
            () => {
              called = true;
              return work.promise;
            },
            { signal: controller.signal },
          );
          outcome.catch(() => {});
          expect(called).toBe(admitted);
          if (!admitted) return expect(outcome).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
          if (breaker.state === 'half-open') trials.set(epoch, (trials.get(epoch) ?? 0) + 1);
          running.push({ work, controller, epoch, startedAt: performance.now() });
        };
        const settle = async (
          which: number,
          how: 'success' | 'failure' | 'refusal' | 'abort',
        ): Promise<void> => {
          const [one] = running.splice(which % Math.max(1, running.length), 1);
          if (one === undefined) return;
          const before = breaker.state;
          const stale = one.epoch !== reference.epoch;
          if (how === 'success') one.work.resolve('fine');
          else if (how === 'failure') one.work.reject(down);
          else if (how === 'abort') one.controller.abort('left');
          else one.work.reject(await other.execute(() => 1).catch((error: unknown) => error));
          const ignored = how === 'abort' || how === 'refusal';
          if (ignored && !stale && before === 'half-open')
            trials.set(one.epoch, (trials.get(one.epoch) ?? 0) - 1);
          const slow = performance.now() - one.startedAt >= options.slowCallMs;
          reference.settle(
            one.epoch,
            performance.now(),
            ignored ? undefined : { failed: how === 'failure', slow },
          );
          await flush();
          if (stale) expect(breaker.state).toBe(before);
        };

        for (const one of steps) {
          if (one.do === 'call') await call();
          else if (one.do === 'settle') await settle(one.which, one.how);
          else if (one.do === 'abort') await settle(one.which, 'abort');
          else if (one.do === 'advance') await vi.advanceTimersByTimeAsync(one.ms);
          else if (one.do === 'restart') {
            reference.restart(performance.now());
            breaker.restore(JSON.parse(JSON.stringify(breaker.snapshot())) as CircuitSnapshot);
          } else if (one.do === 'outage') {
            // fails all there is, and waits for the break to be over: what comes next are trials
            for (let left = options.windowSize - running.length; left > 0; left -= 1) await call();
            while (running.length > 0) await settle(0, 'failure');
            await vi.advanceTimersByTimeAsync(options.maxBreakMs);
          } else if (one.do === 'isolate') {
            reference.isolate();
            handles.push(breaker.isolate());
          } else if (handles.length > 0) {
            reference.release();
            handles.pop()?.[Symbol.dispose]();
          }
          const { state, reopenings, rejected, staleOutcomes, openUntil } = breaker.snapshot();
          expect({ state, reopenings, rejected, staleOutcomes }).toEqual({
            state: reference.state,
            reopenings: reference.reopenings,
            rejected: reference.rejected,
            staleOutcomes: reference.stale,
          });
          if (state === 'open')
            expect(openUntil).toBe(Math.round(Date.now() + reference.openUntil - performance.now()));
          if (state === 'closed') expect(breaker.snapshot().settled).toBe(reference.outcomes.length);
          for (const count of trials.values()) expect(count).toBeLessThanOrEqual(options.halfOpenCalls);
        }

        // whatever hangs, the circuit closes again once the callee is well
        for (const handle of handles) handle[Symbol.dispose]();
        for (let rounds = 0; breaker.state !== 'closed'; rounds += 1) {
          expect(rounds).toBeLessThan(2);
          await vi.advanceTimersByTimeAsync(options.maxBreakMs + options.halfOpenMaxMs);
          for (let trial = 0; trial <= options.halfOpenCalls; trial += 1)
            await breaker.execute(async () => 'fine').catch(() => {});
        }
        for (const { controller } of running) controller.abort('end');
        await flush();
      }),
      { numRuns: 500 },
    );
  }, 60_000);
});
