import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Service, sleep, type Component, type ShutdownPhase, type Work } from '../../src/index.ts';
import { controlOf } from '../../src/internal.ts';
import { needsOf, type Dependent } from '../../src/service/dependencies.ts';
import { PHASES } from '../../src/service/phases.ts';
import { never } from './fake-time.ts';

/** How a piece of foreign code behaves: settles after a while, hangs whatever its signal says, stops by its signal, or fails. */
type Manner =
  | { readonly do: 'settle' | 'throw' | 'reject'; readonly afterMs: number }
  | { readonly do: 'hang' | 'obey' | 'throw undefined' };

const manner: fc.Arbitrary<Manner> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      afterMs: fc.constantFrom(0, 1, 50, 900, 4_000),
    }),
  },
  fc.record({ do: fc.constantFrom('throw' as const, 'reject' as const), afterMs: fc.constantFrom(0, 10) }),
  fc.constantFrom({ do: 'hang' as const }, { do: 'obey' as const }, { do: 'throw undefined' as const }),
);

async function behave(how: Manner, signal?: AbortSignal): Promise<void> {
  if (how.do === 'hang' || (how.do === 'obey' && signal === undefined)) return never();
  if (how.do === 'obey') return sleep(1_000_000, { signal });
  if (how.do === 'throw undefined') throw undefined;
  if (!('afterMs' in how)) return;
  if (how.afterMs > 0) await sleep(how.afterMs);
  if (how.do !== 'settle') throw new Error(how.do);
}

const needs = fc.array(fc.nat(), { minLength: 1, maxLength: 2 });

const hook = fc.record({
  kind: fc.constant('hook' as const),
  phase: fc.constantFrom<ShutdownPhase>(...PHASES),
  timeoutMs: fc.constantFrom(1, 100, 3_000, 60_000),
  run: manner,
  needs,
});

const component = fc.record({
  kind: fc.constant('component' as const),
  open: fc.option(manner),
  close: fc.option(manner),
  drain: fc.option(manner),
  dispose: fc.option(manner),
  needs,
});

const task = fc.record({ kind: fc.constant('task' as const), run: manner });
const scope = fc.record({
  kind: fc.constant('scope' as const),
  endsAfterMs: fc.option(fc.constantFrom(0, 100, 20_000)),
});

const scenario = fc.record({
  parts: fc.array(fc.oneof(hook, component, task, scope), { maxLength: 12 }),
  budgetMs: fc.constantFrom(1, 50, 1_000, 25_000),
  phases: fc.dictionary(fc.constantFrom(...PHASES), fc.constantFrom(0, 10, 1_000, 60_000)),
  start: fc.constantFrom('never', 'done', 'interrupted'),
  meddle: fc.array(
    fc.record({ afterMs: fc.nat(26_000), with: fc.constantFrom('escalate', 'force', 'fatal', 'again') }),
    {
      maxLength: 3,
    },
  ),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

const phaseOf = (part: Scenario['parts'][number]): number => {
  if (part.kind === 'hook') return PHASES.indexOf(part.phase);
  return part.kind === 'component' ? PHASES.indexOf('close') : -1;
};

async function play({ parts, budgetMs, phases, start, meddle }: Scenario): Promise<void> {
  const service = new Service({ name: 's', shutdown: { budgetMs, phases }, tasks: { onError: () => {} } });
  const registered: Dependent[] = [];
  const begun: string[] = [];
  const over = new Set<string>();
  const registeredHooks: string[] = [];

  const tooEarly: string[] = [];
  const observe = (name: string, how: Manner, signal?: AbortSignal): Promise<void> => {
    for (const other of begun)
      if (
        phaseOfName.get(other) === phaseOfName.get(name) &&
        needed(other, registered).has(name) &&
        !over.has(other)
      )
        tooEarly.push(`${name} before ${other} was over`);
    begun.push(name);
    if (signal === undefined) setTimeout(() => over.add(name), 2_999); // just before the time-out of a disposal
    else signal.addEventListener('abort', () => over.add(name));
    return behave(how, signal).finally(() => over.add(name));
  };

  const phaseOfName = new Map<string, number>();
  for (const [index, part] of parts.entries()) {
    const name = `p${index}`;
    if (part.kind === 'task') {
      service.tasks.spawn(({ signal }) => behave(part.run, signal), { name });
    } else if (part.kind === 'scope') {
      const handle = service.openScope({ timeoutMs: 30_000 });
      handle.scope.background(() => {}, { after: 'response' });
      if (part.endsAfterMs === null) handle.scope.signal.addEventListener('abort', () => handle.end());
      else setTimeout(() => handle.end(), part.endsAfterMs);
    } else {
      // whoever is needed was registered before and is shut no earlier
      const allowed = registered.filter(({ name: other }) => (phaseOfName.get(other) ?? -1) >= phaseOf(part));
      const dependsOn =
        allowed.length === 0 ? [] : part.needs.map((n) => allowed[n % allowed.length]?.name ?? '');
      phaseOfName.set(name, phaseOf(part));
      registered.push({ name, dependsOn });
      if (part.kind === 'hook') {
        registeredHooks.push(name);
        const run: Work<void> = ({ signal }) => observe(name, part.run, signal);
        service.onShutdown(name, run, { phase: part.phase, timeoutMs: part.timeoutMs, dependsOn });
      } else {
        const { open, close, drain, dispose } = part;
        const made: Component = { name };
        if (open !== null) made.open = ({ signal }) => behave(open, signal);
        if (close !== null) made.close = () => behave(close);
        if (drain !== null)
          made.drain = async ({ signal } = {}) => {
            await behave(drain, signal);
            return { drained: true, left: 0, leaked: [] };
          };
        if (dispose !== null) made[Symbol.asyncDispose] = () => observe(name, dispose);
        service.own(made, { dependsOn });
      }
    }
  }

  if (start !== 'never') {
    service.start().catch(() => {});
    await vi.advanceTimersByTimeAsync(start === 'done' ? 5_000 : 20);
  }
  const before = performance.now();
  let settledAfterMs: number | undefined;
  const promise = service.shutdown();
  void promise.then(() => (settledAfterMs = performance.now() - before));
  for (const { afterMs, with: how } of meddle)
    setTimeout(() => {
      if (how === 'escalate') controlOf(service).escalate();
      else if (how === 'force') controlOf(service).force();
      else if (how === 'fatal') void controlOf(service).fatal('uncaughtException', new Error('fatal'));
      else expect(service.shutdown()).toBe(promise);
    }, afterMs);
  await vi.advanceTimersByTimeAsync(budgetMs + 2);
  const report = await promise;

  // it ends within its budget (timers are whole milliseconds, and 0 is 1)
  expect(settledAfterMs).toBeLessThanOrEqual(budgetMs + 2);
  expect(report.durationMs).toBeLessThanOrEqual(budgetMs + 2);
  expect(service.state).toBe('stopped');
  // phases in order, the flush always
  const order = report.phases.map(({ phase }) => PHASES.indexOf(phase));
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(new Set(order).size).toBe(order.length);
  expect(report.phases.at(-1)?.phase).toBe('flush');
  // every hook once, whatever became of it
  const reported = report.hooks.map(({ name }) => name);
  for (const name of registeredHooks)
    expect(
      reported.filter((other) => other === name),
      name,
    ).toHaveLength(1);
  // each that ran, ran once, and after what needs it
  expect(tooEarly).toEqual([]);
  expect(new Set(begun).size).toBe(begun.length);
  const flushing = parts.flatMap((part, index) =>
    part.kind === 'hook' && part.phase === 'flush' ? [`p${index}`] : [],
  );
  for (const name of flushing)
    if (!flushing.some((other) => needed(other, registered).has(name)))
      expect(begun, 'flush hooks run').toContain(name);
  for (const [index, name] of begun.entries())
    for (const earlier of begun.slice(0, index))
      expect(needed(name, registered).has(earlier), `${name} needs ${earlier}`).toBe(false);
  // a hang or a failure never looks like success
  const bad = report.hooks.some(({ outcome }) => outcome !== 'ok') || report.leaked.length > 0;
  if (bad) expect(report.outcome).not.toBe('clean');
  if (report.outcome === 'clean') expect(report.leaked).toEqual([]);
  // what ignored its abort is named
  for (const [index, part] of parts.entries())
    if (part.kind === 'task' && part.run.do === 'hang') expect(report.leaked).toContain(`p${index}`);
}

function needed(name: string, all: readonly Dependent[]): ReadonlySet<string> {
  const one = all.find((other) => other.name === name);
  return one === undefined ? new Set() : needsOf(one, all);
}

describe('any shutdown', () => {
  beforeAll(() => {
    vi.spyOn(console, 'warn').mockImplementation(() => {}); // lame ducks that are cut
  });
  afterAll(() => {
    vi.restoreAllMocks();
  });

  it('ends within its budget, in order, with each hook reported once and the flush run, whatever hangs, throws or meddles', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (played) => {
        vi.useFakeTimers();
        try {
          await play(played);
          await vi.advanceTimersByTimeAsync(60_000); // what was left running
          expect(vi.getTimerCount(), 'timers at rest').toBe(0);
        } finally {
          vi.useRealTimers();
        }
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
