import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CountWindow, TimeWindow } from '../../src/resilience/sliding-window.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const outcome = fc.record({ failed: fc.boolean(), slow: fc.boolean(), afterMs: fc.nat({ max: 400 }) });

describe('TimeWindow', () => {
  it('counts all within nine tenths of the window, nothing older than it, and no more than one moment allows', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 80 }), (outcomes) => {
        const window = new TimeWindow(1_000);
        const seen: { at: number; failed: boolean; slow: boolean }[] = [];
        for (const { failed, slow, afterMs } of outcomes) {
          vi.advanceTimersByTime(afterMs);
          window.add(failed, slow);
          const at = performance.now();
          seen.push({ at, failed, slow });
          const young = seen.filter((one) => at - one.at < 900);
          const notOld = seen.filter((one) => at - one.at < 1_000);
          for (const [count, of] of [
            [window.settled, () => true],
            [window.failures, (one) => one.failed],
            [window.slow, (one) => one.slow],
          ] as [number, (one: (typeof seen)[number]) => boolean][]) {
            expect(count).toBeGreaterThanOrEqual(young.filter(of).length);
            expect(count).toBeLessThanOrEqual(notOld.filter(of).length);
          }
        }
      }),
    );
  });

  it('forgets what has grown old when asked, without a new outcome', () => {
    const window = new TimeWindow(1_000);
    window.add(true, true);
    vi.advanceTimersByTime(899);
    window.forget(false);
    expect(window.failures).toBe(1);
    vi.advanceTimersByTime(101);
    window.forget(false);
    expect([window.settled, window.failures, window.slow]).toEqual([0, 0, 0]);
  });

  it('takes what it is loaded with to have happened now', () => {
    const window = new TimeWindow(1_000);
    window.load({ settled: 10, failures: 4, slow: 2 });
    vi.advanceTimersByTime(899);
    window.add(false, false);
    expect([window.settled, window.failures, window.slow]).toEqual([11, 4, 2]);
    vi.advanceTimersByTime(200);
    window.forget(false);
    expect([window.settled, window.failures, window.slow]).toEqual([1, 0, 0]);
  });
});

describe('CountWindow', () => {
  it('counts exactly the last outcomes', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (outcomes, size) => {
        const window = new CountWindow(size);
        for (const [index, { failed, slow }] of outcomes.entries()) {
          window.add(failed, slow);
          const last = outcomes.slice(0, index + 1).slice(-size);
          expect([window.settled, window.failures, window.slow]).toEqual([
            last.length,
            last.filter((one) => one.failed).length,
            last.filter((one) => one.slow).length,
          ]);
        }
      }),
    );
  });

  it('is loaded with as much as it holds, in the same shares', () => {
    const window = new CountWindow(4);
    window.load({ settled: 3, failures: 2, slow: 1 });
    expect([window.settled, window.failures, window.slow]).toEqual([3, 2, 1]);
    window.load({ settled: 9, failures: 9, slow: 0 });
    expect([window.settled, window.failures, window.slow]).toEqual([4, 4, 0]);
    window.load({ settled: 100, failures: 26, slow: 50 });
    expect([window.settled, window.failures, window.slow]).toEqual([4, 1, 2]);
    window.load({ settled: 0, failures: 0, slow: 0 });
    expect(window.settled).toBe(0);
  });
});
