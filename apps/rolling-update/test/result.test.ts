import { describe, expect, it } from 'vitest';
import { lossless, tally } from '../src/result.ts';

const good = {
  seen: { is: 'done', requests: 2, accepted: ['a', 'b'], failures: [] },
  refused: 0,
  processed: ['a', 'b'],
  endings: [{ exit: '0', durationMs: 100 }],
} as const;

describe('a tally', () => {
  it('tells connections that were refused from those that were reset', () => {
    const failures = ['RESET', 'RESET', 'RESET', '503'].map((kind, id) => ({ id: String(id), kind }));
    const { failed } = tally({ ...good, seen: { ...good.seen, failures }, refused: 2 });
    expect(failed).toEqual({ REFUSED: 2, RESET: 1, 503: 1 });
  });

  it('finds accepted items that were not processed, and items that were processed twice', () => {
    const result = tally({ ...good, processed: ['a', 'a', 'not accepted'] });
    expect(result).toMatchObject({ accepted: 2, lost: 1, repeated: 1 });
  });

  it('is lossless only where nothing failed, nothing was lost or repeated, and every replica ended with 0', () => {
    expect(lossless(tally(good))).toBe(true);
    const failures = [{ id: 'c', kind: '503' }];
    expect(lossless(tally({ ...good, seen: { ...good.seen, failures } }))).toBe(false);
    expect(lossless(tally({ ...good, processed: ['a'] }))).toBe(false);
    expect(lossless(tally({ ...good, processed: ['a', 'b', 'b'] }))).toBe(false);
    expect(lossless(tally({ ...good, endings: [{ exit: '1', durationMs: 100 }] }))).toBe(false);
  });
});
