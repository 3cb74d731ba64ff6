/** The short form of the simulation: the same processes, sockets and faults in four seconds, judged by what was done and not by speed. */
import { subscribe, type HoldfastEvent } from '@holdfast/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contenders } from '../src/upstream/contenders.ts';
import { figuresOf, type Figures } from '../src/upstream/figures.ts';
import type { Answer } from '../src/upstream/load.ts';
import { run, type Plan } from '../src/upstream/run.ts';
import { FAULTS, boundsOf, scheduleOf, stretchAt } from '../src/upstream/schedule.ts';
import { table } from '../src/upstream/table.ts';

const plan: Plan = {
  seed: 1,
  lengths: { healthy: 300, flaky: 100, stretch: 120, recovery: 2_500 },
  perSecond: 60,
  workers: 6,
  serviceMs: 40,
  backlog: 2_000,
};

describe('an upstream that fails under load', () => {
  const figures = new Map<string, Figures>();
  const events: HoldfastEvent[] = [];
  let subscription: Disposable | undefined;

  beforeAll(async () => {
    subscription = subscribe((event) => events.push(event));
    const names = new Set(['fetch in a loop', 'policyFetch', 'Policy']);
    const chosen = contenders.filter(({ name }) => names.has(name));
    for (const result of await Promise.all(chosen.map((one) => run(one, plan))))
      figures.set(result.name, result);
  }, 60_000);
  afterAll(() => subscription?.[Symbol.dispose]());

  const of = (name: string): Figures => figures.get(name) ?? expect.fail(`${name} did not run`);

  it('is called again and again by a loop, also before it said to come back', () => {
    const { calls, early } = of('fetch in a loop');
    expect(calls.outage).toBeGreaterThan(60 * 1.2);
    expect(early).toBeGreaterThan(0);
  });

  it.each(['policyFetch', 'Policy'])(
    'is spared by %s: fewer calls in the outage, and fewer for each success',
    (name) => {
      const storm = of('fetch in a loop');
      expect(of(name).calls.outage).toBeLessThan(storm.calls.outage);
      expect(of(name).callsPerSuccess).toBeLessThan(storm.callsPerSuccess);
    },
  );

  it.each(['policyFetch', 'Policy'])('is called by %s no sooner than its Retry-After allows', (name) => {
    expect(of(name).early).toBe(0);
  });

  it.each(['policyFetch', 'Policy'])('keeps nobody waiting past the deadline behind %s', (name) => {
    expect(of(name).late).toBe(0);
  });

  it.each(['policyFetch', 'Policy'])(
    'opens the circuit of %s, and closes it again when it is well',
    (name) => {
      const states = events
        .filter((event) => event.name === name && event.type.startsWith('circuit.'))
        .map(({ type }) => type)
        .filter((type) => type !== 'circuit.rejected');
      expect(states).toContain('circuit.opened');
      expect(states.at(-1)).toBe('circuit.closed');
      expect(of(name).goodput.recovery).toBeGreaterThan(0);
    },
  );
});

describe('the schedule of an upstream', () => {
  it('is the same for the same seed, shows every fault by itself, and ends healthy', () => {
    const schedule = scheduleOf(7, plan.lengths);
    expect(scheduleOf(7, plan.lengths)).toEqual(schedule);
    expect(scheduleOf(8, plan.lengths)).not.toEqual(schedule);
    const alone = schedule.flatMap(({ phase, faults }) =>
      phase === 'outage' && faults.length === 1 ? faults : [],
    );
    expect(alone.toSorted()).toEqual(FAULTS.toSorted());
    expect(boundsOf(schedule, 'outage')).toEqual({ fromMs: 400, toMs: 400 + 9 * 120 });
    expect(stretchAt(schedule, 1e9)).toMatchObject({ phase: 'recovery', share: 0 });
  });
});

describe('the figures of a run', () => {
  const schedule = scheduleOf(1, { healthy: 1_000, flaky: 0, stretch: 0, recovery: 3_000 });
  const answer = (dueMs: number, tookMs: number, ok = true): Answer => ({
    dueMs,
    tookMs,
    ok,
    late: tookMs > 2_000,
  });

  it('count what was served in time, when that was so again, and who waited too long', () => {
    const answers = [
      answer(0, 10),
      answer(500, 30),
      answer(1_000, 2_500),
      answer(1_500, 20, false),
      answer(2_000, 20),
      answer(3_000, 20),
    ];
    const counts = { calls: { healthy: 2, flaky: 0, outage: 0, recovery: 6 }, early: 1, longestLine: 3 };
    const figures = figuresOf('ours', answers, counts, schedule, 2_000);
    expect(figures).toMatchObject({
      goodput: { healthy: 2, recovery: 2 / 3, total: 1 },
      callsPerSuccess: 2,
      recoveredAfterS: 2,
      servedMs: { p50: 20, p99: 30 },
      late: 1,
      early: 1,
    });
    const where = { cpu: 'cpu', cores: 2, memoryGiB: 4, runtime: 'Node', versions: {} };
    expect(table([figures], where)).toContain('| ours | 2 | 0 | 0 | 1 | 1 | 2 s | 1 |');
    expect(figuresOf('never', [], counts, schedule, 2_000).recoveredAfterS).toBeUndefined();
  });
});
