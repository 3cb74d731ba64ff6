import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DelayHistogram } from '../../src/queue/delay-histogram.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('DelayHistogram', () => {
  it('knows nothing where nothing was recorded', () => {
    expect(new DelayHistogram().quantileMs(0.5)).toBeUndefined();
  });

  it('is never too low and at most an eighth too high', () => {
    const delay = fc.oneof(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 2_000_000, noNaN: true }),
    );
    fc.assert(
      fc.property(
        fc.array(delay, { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1),
        (delays, q) => {
          const histogram = new DelayHistogram();
          for (const one of delays) histogram.record(one, performance.now());
          const exact = delays.toSorted((a, b) => a - b)[Math.ceil(delays.length * q) - 1] ?? 0;
          const told = histogram.quantileMs(q) ?? -1;
          expect(told).toBeGreaterThanOrEqual(exact);
          expect(told).toBeLessThanOrEqual(exact * 1.125 + 0.001);
        },
      ),
    );
  });

  it('forgets what is more than two minutes old, and nothing that is less than one', () => {
    const histogram = new DelayHistogram();
    histogram.record(1_000, performance.now());
    vi.advanceTimersByTime(59_000);
    expect(histogram.quantileMs(0.5)).toBe(1_000);
    vi.advanceTimersByTime(2_000);
    histogram.record(5, performance.now());
    expect(histogram.quantileMs(1)).toBe(1_000);
    vi.advanceTimersByTime(61_000);
    expect(histogram.quantileMs(1)).toBe(5);
    vi.advanceTimersByTime(180_000);
    expect(histogram.quantileMs(1)).toBeUndefined();
    histogram.record(7, performance.now());
    expect(histogram.quantileMs(0.5)).toBe(7);
  });
});
