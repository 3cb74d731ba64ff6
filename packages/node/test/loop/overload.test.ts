import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Overload } from '../../src/loop/overload.ts';

function overload(): Overload {
  return new Overload({ maxUtilization: 0.95, maxDelayMs: 500 });
}

/** The share after each sample of utilization, or of [utilization, delay]. */
function shares(...samples: readonly (number | readonly [number, number])[]): readonly number[] {
  const state = overload();
  return samples.map((sample) => {
    const [utilization, delayMs] = typeof sample === 'number' ? [sample, 0] : sample;
    state.take({ utilization, delayMs });
    return Number(state.share.toFixed(3));
  });
}

describe('an overload', () => {
  it('begins with the second bad sample in a row', () => {
    expect(shares(0.99, 0.5, 0.99, 0.99)).toEqual([0, 0, 0, 1]);
    expect(shares([0.1, 600], [0.1, 10], [0.1, 600], [0.1, 600])).toEqual([0, 0, 0, 0.6]);
    expect(shares([0.1, 600], 0.99)).toEqual([0, 1]);
  });

  it('grows with the load', () => {
    expect(shares(0.96, 0.96, 0.97, 0.98, 1)).toEqual([0, 0.75, 0.875, 1, 1]);
    expect(shares([0, 501], [0, 501], [0, 800], [0, 3_000])).toEqual([0, 0.501, 0.8, 1]);
  });

  it('goes on below the limit, refusing little, and ends a tenth below it', () => {
    expect(shares(0.99, 0.99, 0.94, 0.9, 0.86, 0.85, 0.86)).toEqual([0, 1, 0.5, 0.1, 0.1, 0, 0]);
  });

  it('does not end while the loop is blocked', () => {
    expect(shares(0.99, 0.99, [0.2, 900], [0.2, 400])).toEqual([0, 1, 0.9, 0]);
  });

  it('never begins by one sample, and refuses between nothing and everything', () => {
    const sample = fc.record({
      utilization: fc.double({ min: 0, max: 1, noNaN: true }),
      delayMs: fc.nat(5_000),
    });
    fc.assert(
      fc.property(fc.array(sample), (samples) => {
        const state = overload();
        let badBefore = false;
        for (const one of samples) {
          const wasActive = state.active;
          state.take(one);
          const isBad = one.utilization > 0.95 || one.delayMs > 500;
          expect(state.share).toBeGreaterThanOrEqual(0);
          expect(state.share).toBeLessThanOrEqual(1);
          if (state.active && !wasActive) expect(isBad && badBefore).toBe(true);
          if (isBad && badBefore) expect(state.active).toBe(true);
          badBefore = isBad;
        }
      }),
    );
  });
});
