import { describe, expect, it, vi } from 'vitest';
import { Service } from '../../src/index.ts';
import { PHASES, planPhases } from '../../src/service/phases.ts';

describe('the times of a shutdown', () => {
  it('are 25 s in all by default: drain 10, cancel 2, close 5, flush 2, of which half a second is kept for the flush', () => {
    expect(planPhases({})).toMatchObject({
      budgetMs: 25_000,
      reserveMs: 500,
      cutMs: 24_500,
      startGraceMs: 5_000,
      caps: { 'lame-duck': 0, intake: 0, drain: 10_000, cancel: 2_000, close: 5_000, flush: 2_000 },
      lateBalancerMs: 5_000,
    });
  });

  it.each([
    ['k8s', 25_000],
    ['docker', 9_000],
    ['cloudrun', 9_000],
    ['pm2', 1_500],
  ] as const)('of preset %s are %i ms', (preset, budgetMs) => {
    const plan = planPhases({ preset });
    expect(plan.budgetMs).toBe(budgetMs);
    const { drain, cancel, close, flush } = plan.caps;
    expect(drain + cancel + close + flush + plan.lateBalancerMs).toBeLessThanOrEqual(budgetMs);
  });

  it('of preset pm2 are drain 0.7 s, cancel 0.2, close 0.3, flush 0.2', () => {
    const { caps } = planPhases({ preset: 'pm2' });
    for (const [phase, ms] of [
      ['drain', 700],
      ['cancel', 200],
      ['close', 300],
      ['flush', 200],
    ] as const)
      expect(caps[phase]).toBeCloseTo(ms);
  });

  it('scale with a budget of your own, except those that are set', () => {
    const { caps, lateBalancerMs } = planPhases({ budgetMs: 5_000, phases: { cancel: 1 } });
    expect(caps).toEqual({ 'lame-duck': 0, intake: 0, drain: 2_000, cancel: 1, close: 1_000, flush: 400 });
    expect(lateBalancerMs).toBe(1_000);
  });

  it('keep a lame duck that is set, for every trigger', () => {
    const plan = planPhases({ phases: { 'lame-duck': 300 } });
    expect([plan.caps['lame-duck'], plan.lateBalancerMs]).toEqual([300, 300]);
  });

  it('cut a lame duck that is longer than the budget, with a warning, so that the other phases keep theirs', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { caps } = planPhases({ budgetMs: 25_000, phases: { 'lame-duck': 30_000 } });
    expect(caps['lame-duck']).toBe(7_500);
    expect(warn.mock.calls).toEqual([
      ['A lame duck of 30000 ms does not fit into a shutdown of 25000 ms: cut to 7500 ms'],
    ]);
    warn.mockRestore();
  });

  it.each([
    [{ budgetMs: 0 }, RangeError],
    [{ budgetMs: Number.NaN }, RangeError],
    [{ budgetMs: Infinity }, RangeError],
    [{ budgetMs: '25' }, TypeError],
    [{ preset: 'heroku' }, RangeError],
    [{ preset: 1 }, TypeError],
    [{ phases: { drain: -1 } }, RangeError],
    [{ phases: { drain: Number.NaN } }, RangeError],
    [{ phases: { drain: null } }, TypeError],
    [{ phases: { lameDuck: 1 } }, TypeError],
    [{ phases: null }, TypeError],
    [{ budget: 1 }, TypeError],
    [{ onReport: null }, TypeError],
  ])('refuse %j when the service is made', (shutdown, error) => {
    const make = (): Service => new Service({ name: 's', shutdown: shutdown as never });
    expect(make).toThrow(error);
  });

  it('name the phases in order', () => {
    expect(PHASES).toEqual(['lame-duck', 'intake', 'drain', 'cancel', 'close', 'flush']);
  });
});
