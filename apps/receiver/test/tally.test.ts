import { describe, expect, it } from 'vitest';
import { failureSchedule } from '../src/failure-schedule.ts';
import { Tally } from '../src/tally.ts';

const scheduled = failureSchedule('5:1,25:2') ?? expect.fail('the default schedule must be valid');

describe('failureSchedule', () => {
  it('fails the first call of every 5th event and the first two of every 25th', () => {
    const failures = Array.from({ length: 50 }, (_, n) => scheduled(n + 1));
    expect(failures.filter((calls) => calls === 1)).toHaveLength(8);
    expect([failures[4], failures[23], failures[24], failures[49]]).toEqual([1, 0, 2, 2]);
  });

  it('can do without failures', () => {
    expect(failureSchedule('none')?.(5)).toBe(0);
  });

  it.each(['', '5', '0:1', '5:-1', '5:1,', '5:1;25:2', '5:1.5', 'all'])('refuses %j', (text) => {
    expect(failureSchedule(text)).toBeUndefined();
  });
});

describe('Tally', () => {
  it('takes, refuses and recognises repeats by key', () => {
    const tally = new Tally(scheduled);
    const taken = ['a', 'b', 'c', 'd', 'e', 'e', 'a', 'e'].map((key) => tally.take(key));
    expect(taken).toEqual([true, true, true, true, false, true, true, true]);
    expect(tally.received).toEqual({ unique: 5, total: 8, duplicates: 2, refused: 1 });
  });
});
