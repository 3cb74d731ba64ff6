import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Positions } from '../src/positions.ts';

afterEach(() => void vi.useRealTimers());

describe('Positions', () => {
  it('rise always, whatever the clock does', () => {
    vi.useFakeTimers();
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10_000 })), fc.nat(20_000_000), (times, highest) => {
        const positions = new Positions(highest);
        let last = highest;
        for (const time of times) {
          vi.setSystemTime(time);
          const next = positions.next();
          expect(next).toBeGreaterThan(last);
          last = next;
        }
      }),
    );
  });

  it('are exact for any time that a clock will show', () => {
    vi.useFakeTimers();
    vi.setSystemTime(new Date('2200-01-01'));
    const positions = new Positions(0);
    expect(Number.isSafeInteger(positions.next())).toBe(true);
    expect(positions.next() - positions.next()).toBe(-1);
  });
});
