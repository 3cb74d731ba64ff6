import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Service,
  simulateShutdown,
  sleep,
  type Component,
  type DrainReport,
  type ShutdownPhase,
  type SimulatedShutdown,
} from '../../src/index.ts';
import { controlOf } from '../../src/internal.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function worksOf({ works }: SimulatedShutdown): readonly string[] {
  return works.map(
    ({ name, does, startMs, endMs, outcome }) => `${does} ${name} ${startMs}-${endMs} ${outcome}`,
  );
}

describe('a simulated shutdown', () => {
  it('touches nothing', () => {
    const touched = vi.fn<() => never>();
    const service = new Service({ name: 's' });
    service.own({
      name: 'queue',
      close: touched,
      drain: touched,
      cancel: touched,
      [Symbol.asyncDispose]: touched,
    });
    service.onShutdown('database', touched);
    simulateShutdown(service);
    expect(touched).not.toHaveBeenCalled();
    expect(service.state).toBe('created');
    expect(service.signalAt('lame-duck').aborted).toBe(false);
  });

  it('is over at once where nothing takes time', () => {
    const service = new Service({ name: 's' });
    service.onShutdown('database', () => {});
    expect(simulateShutdown(service, { takesMs: 0 })).toMatchObject({ outcome: 'clean', durationMs: 0 });
  });

  it('shows that the budget holds where nothing ever ends', () => {
    const service = new Service({ name: 's' });
    service.own({ name: 'queue', drain: () => new Promise(() => {}) });
    service.onShutdown('database', () => {});
    service.onShutdown('traces', () => {}, { phase: 'flush' });
    const simulated = simulateShutdown(service, { lameDuck: 'late-balancer' });
    expect(simulated).toMatchObject({ outcome: 'failed', durationMs: 23_000 });
    expect(worksOf(simulated)).toEqual([
      'drain tasks 15000-17000 leaked',
      'drain queue 15000-17000 leaked',
      'hook database 17000-20000 timed-out',
      'hook traces 20000-23000 timed-out',
    ]);
    expect(String(simulated)).toBe(
      [
        '      0 ms  lame-duck',
        '   5000 ms  intake',
        '   5000 ms  drain',
        '  15000 ms  cancel',
        '  17000 ms    drain tasks: leaked',
        '  17000 ms    drain queue: leaked',
        '  17000 ms  close',
        '  20000 ms    hook database: timed-out',
        '  20000 ms  flush',
        '  23000 ms    hook traces: timed-out',
        '  23000 ms  failed',
      ].join('\n'),
    );
  });

  it('takes the times it is given, and closes what needs another first', () => {
    const service = new Service({ name: 's' });
    service.own({ name: 'pool', [Symbol.asyncDispose]: async () => {} });
    service.own({ name: 'repository', [Symbol.asyncDispose]: async () => {} }, { dependsOn: ['pool'] });
    const simulated = simulateShutdown(service, {
      takesMs: ({ name, does }) => (does === 'drain' ? 50 : name === 'pool' ? 200 : 100),
    });
    expect(worksOf(simulated)).toEqual([
      'drain tasks 0-50 ok',
      'dispose repository 50-150 ok',
      'dispose pool 150-350 ok',
    ]);
  });

  it('tells where the time is used up, and what there was no time for', () => {
    const service = new Service({ name: 's', shutdown: { budgetMs: 10_000 } });
    service.onShutdown('announce', () => {}, { phase: 'intake', timeoutMs: Infinity });
    service.onShutdown('database', () => {});
    const simulated = simulateShutdown(service, {
      takesMs: ({ does, name }) => (does === 'drain' || name === 'database' ? 10 : Infinity),
    });
    expect(simulated).toMatchObject({ outcome: 'timed-out', durationMs: 9_500 });
    expect(worksOf(simulated)).toEqual([
      'hook announce 0-9500 timed-out',
      'drain tasks 9500-9500 cancelled',
      'hook database 9500-9500 jumped-over',
    ]);
    expect(String(simulated)).toContain('9500 ms  close, jumped over');
  });

  it('checks its options', () => {
    const service = new Service({ name: 's' });
    expect(() => simulateShutdown(service, { takesMs: -1 })).toThrow(RangeError);
    expect(() => simulateShutdown(service, { takesMs: () => Number.NaN })).toThrow(RangeError);
    expect(() => simulateShutdown(service, { takesMs: '1' as never })).toThrow(TypeError);
    expect(() => simulateShutdown(service, { lameDuck: 'late' as never })).toThrow(RangeError);
    expect(() => simulateShutdown(service, { takes: 1 } as never)).toThrow(TypeError);
  });
});

/** A component whose work takes so long, stops when it is aborted, and never does where it takes for ever. */
function component(name: string, drainMs: number, disposeMs: number, serves: boolean): Component {
  const startedAt = Date.now();
  let begunAt = startedAt;
  let asked = false;
  let cancelled = false;
  const stopped = new AbortController();
  const restMs = (): number => (cancelled && drainMs !== Infinity ? 0 : drainMs - (Date.now() - begunAt));
  return {
    name,
    async drain({ signal, timeoutMs } = {}): Promise<DrainReport> {
      if (!asked) begunAt = Date.now();
      asked = true;
      if (timeoutMs !== 0) {
        const waiting = signal === undefined ? stopped.signal : AbortSignal.any([signal, stopped.signal]);
        if (restMs() === Infinity) await aborted(drainMs === Infinity ? signal : waiting);
        else if (restMs() > 0) await sleep(restMs(), { signal: waiting }).catch(() => {});
      }
      return { drained: restMs() <= 0, left: 0, leaked: [] };
    },
    cancel() {
      cancelled = true;
      if (drainMs !== Infinity) stopped.abort();
    },
    ...(serves && { requests: () => ({ drained: 0, cancelled: 0, rejected: 0 }) }),
    [Symbol.asyncDispose]: () => takes(disposeMs),
  };
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    else signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Takes so long, whatever it is told, and leaves no timer where that is for ever. */
function takes(ms: number): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return ms === Infinity ? new Promise(() => {}) : new Promise((resolve) => setTimeout(resolve, ms));
}

function sameEnds(one: SimulatedShutdown, other: SimulatedShutdown): boolean {
  const ends = ({ works, outcome }: SimulatedShutdown): string =>
    `${outcome} ${works.map((work) => work.outcome).join(' ')}`;
  return ends(one) === ends(other);
}

const PHASES: readonly ShutdownPhase[] = ['lame-duck', 'intake', 'drain', 'cancel', 'close', 'flush'];

const duration = fc.oneof(fc.constant(0), fc.constant(Infinity), fc.integer({ min: 1, max: 2_000 }));

/** None, nothing, or what never adds up to the budget exactly. */
function cap(maxMs: number): fc.Arbitrary<number | undefined> {
  return fc.oneof(
    fc.constant(undefined),
    fc.constant(0),
    fc.integer({ min: 0, max: maxMs / 10 }).map((n) => 10 * n + 3),
  );
}

const world = fc.record({
  caps: fc.record({
    'lame-duck': cap(300),
    drain: cap(2_000),
    cancel: cap(300),
    close: cap(1_000),
    flush: cap(500),
  }),
  lameDuck: fc.constantFrom('none' as const, 'late-balancer' as const),
  components: fc.array(
    fc.record({
      drainMs: duration,
      disposeMs: duration,
      serves: fc.boolean(),
      phase: fc.constantFrom('close' as const, 'flush' as const),
      timeoutMs: fc.constantFrom(100, 1_000, Infinity),
      critical: fc.boolean(),
      needs: fc.nat(6),
    }),
    { maxLength: 4 },
  ),
  hooks: fc.array(
    fc.record({
      phase: fc.constantFrom(...PHASES),
      ms: duration,
      timeoutMs: fc.constantFrom(100, 1_000, Infinity),
      critical: fc.boolean(),
      needs: fc.nat(7),
    }),
    { maxLength: 6 },
  ),
});

it('foretells the real one: phases, times, hooks and outcome, whatever takes how long', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ caps, lameDuck, components, hooks }) => {
      vi.clearAllTimers();
      const service = new Service({ name: 's', shutdown: { budgetMs: 3_000, phases: caps } });
      const timesOf = new Map<string, number>([['drain tasks', 0]]);
      const isShutBefore = (other: ShutdownPhase | undefined, phase: ShutdownPhase): boolean =>
        other === undefined || PHASES.indexOf(other) < PHASES.indexOf(phase);
      for (const [n, { drainMs, disposeMs, serves, needs, ...options }] of components.entries()) {
        timesOf.set(`drain c${n}`, drainMs).set(`dispose c${n}`, disposeMs);
        const free = needs >= n || isShutBefore(components[needs]?.phase, options.phase);
        const dependsOn = free ? [] : [`c${needs}`];
        service.own(component(`c${n}`, drainMs, disposeMs, serves), { ...options, dependsOn });
      }
      for (const [n, { phase, ms, timeoutMs, critical, needs }] of hooks.entries()) {
        timesOf.set(`hook h${n}`, ms);
        const dependsOn = [
          ...(needs >= n || isShutBefore(hooks[needs]?.phase, phase) ? [] : [`h${needs}`]),
          ...(isShutBefore(components[needs]?.phase, phase) ? [] : [`c${needs}`]),
        ];
        service.onShutdown(`h${n}`, () => takes(ms), { phase, timeoutMs, critical, dependsOn });
      }
      await service.start();

      const simulate = (moreMs: number): SimulatedShutdown =>
        simulateShutdown(service, {
          lameDuck,
          takesMs: ({ does, name }) => {
            const ms = timesOf.get(`${does} ${name}`) ?? Number.NaN;
            return ms === 0 ? 0 : Math.max(1, ms + moreMs);
          },
        });
      const simulated = simulate(0);
      // what ends on the very millisecond of its limit may end either way
      fc.pre([-7, 7].every((moreMs) => sameEnds(simulate(moreMs), simulated)));
      const nearTheCut = simulated.phases.some(({ endMs }) => endMs > 2_490 && endMs <= 2_500);
      fc.pre(simulated.outcome === 'timed-out' || !nearTheCut); // a timer of 0 takes a millisecond
      const stopped = controlOf(service).shutdown({ cause: 'test', lameDuck });
      await vi.advanceTimersByTimeAsync(4_000);
      const report = await stopped;
      await vi.advanceTimersByTimeAsync(10_000); // what hooks still wait for

      const phases = simulated.phases.map(({ phase, startMs, endMs }) => ({
        phase,
        durationMs: endMs - startMs,
      }));
      expect(phases.map(({ phase }) => phase)).toEqual(report.phases.map(({ phase }) => phase));
      for (const [n, { durationMs }] of phases.entries())
        expect(Math.abs(durationMs - (report.phases[n]?.durationMs ?? 0))).toBeLessThanOrEqual(1);
      expect(simulated.outcome).toBe(report.outcome);
      const hookOutcomes = simulated.works
        .filter(({ does, outcome }) => does === 'hook' || (does === 'dispose' && outcome !== 'ok'))
        .map(({ name, outcome }) => `${name} ${outcome === 'ok' ? 'ok' : 'timed-out'}`);
      expect(hookOutcomes.toSorted()).toEqual(
        report.hooks.map(({ name, outcome }) => `${name} ${outcome}`).toSorted(),
      );
      const leaked = simulated.works.filter(({ outcome }) => outcome === 'leaked').map(({ name }) => name);
      expect(leaked.toSorted()).toEqual(report.leaked.toSorted());
    }),
    { numRuns: 300 },
  );
});
