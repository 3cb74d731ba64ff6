import { describe, expect, it } from 'vitest';
import { backoff, type BackoffOptions, type Jitter } from '../../src/index.ts';

/** mulberry32: the same draws in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const delays = (options: BackoffOptions, count: number): number[] => {
  const delayMs = backoff(options);
  return Array.from({ length: count }, (_, index) => delayMs(index + 1));
};

describe('backoff', () => {
  it('follows min(max, base * factor ** (n - 1)) without jitter', () => {
    const table: [BackoffOptions, number[]][] = [
      [{}, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000, 20_000]],
      [{ baseDelayMs: 1_000, maxDelayMs: 60_000 }, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]],
      [{ baseDelayMs: 50, factor: 3, maxDelayMs: 1_000 }, [50, 150, 450, 1_000, 1_000]],
      [{ baseDelayMs: 250, factor: 1 }, [250, 250, 250]],
      [{ baseDelayMs: 100, factor: 1.5, maxDelayMs: 200 }, [100, 150, 200]],
      [{ baseDelayMs: 0 }, [0, 0, 0]],
      [{ maxDelayMs: 50 }, [50, 50]],
      [{ baseDelayMs: 30_000 }, [30_000, 30_000]],
    ];
    for (const [options, expected] of table)
      expect(delays({ ...options, jitter: 'none' }, expected.length)).toEqual(expected);
  });

  it('takes the share of the ceiling that chance gives', () => {
    const at = (jitter: Jitter, share: number): number[] =>
      delays({ jitter, baseDelayMs: 100, maxDelayMs: 1_000, random: () => share }, 4);
    expect(at('full', 0)).toEqual([0, 0, 0, 0]);
    expect(at('full', 0.5)).toEqual([50, 100, 200, 400]);
    expect(at('equal', 0)).toEqual([50, 100, 200, 400]);
    expect(at('equal', 0.5)).toEqual([75, 150, 300, 600]);
    expect(at('decorrelated', 0)).toEqual([100, 100, 100, 100]);
    expect(at('decorrelated', 0.5)).toEqual([200, 350, 575, 912.5]);
  });

  it('is never less than 0, more than the cap or no number, however many failures', () => {
    for (const jitter of ['none', 'full', 'equal', 'decorrelated'] as const)
      for (const base of [0, 1, 100]) {
        const delayMs = backoff({ jitter, baseDelayMs: base, factor: 1e300, maxDelayMs: 5_000 });
        for (const failures of [1, 2, 3, 64, 1_024, 1e9, Number.MAX_SAFE_INTEGER]) {
          expect(delayMs(failures)).toBeGreaterThanOrEqual(0);
          expect(delayMs(failures)).toBeLessThanOrEqual(5_000);
        }
      }
  });

  it('spreads full jitter evenly from 0 to the ceiling', () => {
    const delayMs = backoff({ baseDelayMs: 1_000, random: seeded(1) });
    const counts = Array.from({ length: 10 }, () => 0);
    for (let draw = 0; draw < 1e5; draw += 1) {
      const tenth = Math.floor(delayMs(1) / 100);
      counts[tenth] = (counts[tenth] ?? 0) + 1;
    }
    expect(counts).toHaveLength(10);
    // a share of a tenth has a standard deviation of 95 in 1e5 draws
    for (const count of counts) expect(Math.abs(count - 1e4)).toBeLessThan(5 * 95);
  });

  it('spreads equal jitter evenly from half the ceiling to the ceiling', () => {
    const delayMs = backoff({ baseDelayMs: 1_000, jitter: 'equal', random: seeded(2) });
    const counts = Array.from({ length: 10 }, () => 0);
    for (let draw = 0; draw < 1e5; draw += 1) {
      const tenth = Math.floor(delayMs(1) / 100);
      counts[tenth] = (counts[tenth] ?? 0) + 1;
    }
    expect(counts.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    for (const count of counts.slice(5)) expect(Math.abs(count - 2e4)).toBeLessThan(5 * 127);
  });

  it('draws each decorrelated delay between the base and three times the one before', () => {
    const delayMs = backoff({ baseDelayMs: 10, maxDelayMs: 1e9, jitter: 'decorrelated', random: seeded(3) });
    let sum = 0;
    let outside = 0;
    for (let execution = 0; execution < 25_000; execution += 1) {
      let previous = 10;
      for (let failures = 1; failures <= 4; failures += 1) {
        const delay = delayMs(failures);
        if (delay < 10 || delay > previous * 3) outside += 1;
        if (failures === 4) sum += delay;
        previous = delay;
      }
    }
    expect(outside).toBe(0);
    // the mean m(n) = (10 + 3 m(n - 1)) / 2 with m(0) = 10: 20, 35, 57.5, 91.25
    expect(sum / 25_000).toBeGreaterThan(91.25 * 0.98);
    expect(sum / 25_000).toBeLessThan(91.25 * 1.02);
  });

  it('begins anew with the first failure, and shares nothing between two functions', () => {
    const options = { baseDelayMs: 10, jitter: 'decorrelated', random: () => 1 } as const;
    const one = backoff(options);
    const two = backoff(options);
    expect([one(1), one(2), two(1), one(3), two(2), one(1)]).toEqual([30, 90, 30, 270, 90, 30]);
  });

  it.each<[string, unknown, string]>([
    ['maxRetries', -1, 'RangeError'],
    ['maxRetries', 1.5, 'RangeError'],
    ['maxRetries', Number.NaN, 'RangeError'],
    ['maxRetries', '3', 'TypeError'],
    ['baseDelayMs', -1, 'RangeError'],
    ['baseDelayMs', 2 ** 31, 'RangeError'],
    ['baseDelayMs', 10n, 'TypeError'],
    ['maxDelayMs', Number.NaN, 'RangeError'],
    ['maxDelayMs', Infinity, 'RangeError'],
    ['factor', 0.5, 'RangeError'],
    ['factor', Infinity, 'RangeError'],
    ['jitter', 'half', 'RangeError'],
    ['jitter', 1, 'TypeError'],
    ['random', null, 'TypeError'],
  ])('refuses %s %s', (option, value, name) => {
    const make = (): unknown => backoff({ [option]: value });
    expect(make).toThrow(expect.objectContaining({ name, message: expect.stringContaining(option) }));
  });

  it('refuses a base above the cap, and allows endless retries', () => {
    expect(() => backoff({ baseDelayMs: 200, maxDelayMs: 100 })).toThrow(RangeError);
    expect(() => backoff({ maxRetries: Infinity })).not.toThrow();
  });
});
