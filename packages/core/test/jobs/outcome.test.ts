import { describe, expect, it } from 'vitest';
import { CircuitOpenError } from '../../src/errors/circuit-open-error.ts';
import { BulkheadFullError } from '../../src/errors/limit-errors.ts';
import { NoRetryError, RetryLaterError } from '../../src/errors/retry-errors.ts';
import { failureOf, maxRetriesOf, outcomeOf } from '../../src/jobs/outcome.ts';

const backoffMs = (failures: number): number => failures * 100;

describe('outcomeOf', () => {
  it('has delays of whole milliseconds, and none that is shorter than the back-off', () => {
    const error = new Error('x');
    expect(outcomeOf(error, 1, 3, () => 73.4)).toMatchObject({ kind: 'retry', delayMs: 74 });
    expect(outcomeOf(new BulkheadFullError('b', 1, 0), 1, 3, () => 73.4)).toMatchObject({ delayMs: 74 });
  });

  it('spends the attempt and waits for the back-off', () => {
    const error = new Error('x');
    expect(outcomeOf(error, 2, 3, backoffMs)).toEqual({ kind: 'retry', delayMs: 200, error });
  });

  it('buries after the last start', () => {
    const error = new Error('x');
    expect(outcomeOf(error, 3, 3, backoffMs)).toEqual({ kind: 'retry', delayMs: 300, error });
    expect(outcomeOf(error, 4, 3, backoffMs)).toEqual({ kind: 'dead', error });
    expect(outcomeOf(error, 1, 0, backoffMs)).toEqual({ kind: 'dead', error });
  });

  it('buries at once what noRetry wraps, and whatever says that it is not retryable', () => {
    const wrapped = new NoRetryError(new Error('bad url'));
    expect(outcomeOf(wrapped, 1, 3, backoffMs)).toEqual({ kind: 'dead', error: wrapped });
    const own = Object.assign(new Error('x'), { retryable: false });
    expect(outcomeOf(own, 1, 3, backoffMs)).toEqual({ kind: 'dead', error: own });
  });

  it('takes retryLater as the shortest delay, not as the only one', () => {
    expect(outcomeOf(new RetryLaterError(5_000), 1, 3, backoffMs)).toMatchObject({
      kind: 'retry',
      delayMs: 5_000,
    });
    expect(outcomeOf(new RetryLaterError(5), 1, 3, backoffMs)).toMatchObject({ kind: 'retry', delayMs: 100 });
    expect(outcomeOf(new RetryLaterError(5_000), 4, 3, backoffMs)).toMatchObject({ kind: 'dead' });
  });

  it.each([Number.NaN, Infinity, -5, '5', null])('ignores a hint of %s', (retryAfterMs) => {
    const error = Object.assign(new Error('x'), { retryAfterMs });
    expect(outcomeOf(error, 1, 3, backoffMs)).toMatchObject({ kind: 'retry', delayMs: 100 });
  });

  it('gives a job back after a refusal, also when its starts are used up', () => {
    const open = new CircuitOpenError('upstream', 'open', { retryAfterMs: 4_000 });
    expect(outcomeOf(open, 9, 3, backoffMs)).toEqual({ kind: 'release', delayMs: 4_000, error: open });
    const full = new BulkheadFullError('upstream', 1, 0);
    expect(outcomeOf(full, 1, 3, backoffMs)).toEqual({ kind: 'release', delayMs: 100, error: full });
  });

  it('never makes a busy loop of a refusal', () => {
    const full = new BulkheadFullError('upstream', 1, 0, 0);
    expect(outcomeOf(full, 1, 3, () => 0)).toMatchObject({ kind: 'release', delayMs: 1 });
  });

  it('takes any thrown value', () => {
    for (const value of [undefined, null, 'text', 1])
      expect(outcomeOf(value, 1, 3, backoffMs)).toEqual({ kind: 'retry', delayMs: 100, error: value });
  });
});

describe('failureOf', () => {
  it('keeps name and message, cut where it is endless', () => {
    expect(failureOf(new TypeError('x'))).toEqual({ name: 'TypeError', message: 'x' });
    expect(failureOf(new Error('x'.repeat(5_000))).message).toHaveLength(2_000);
  });

  it('keeps what was thrown that is no error', () => {
    expect(failureOf('text')).toEqual({ name: 'Error', message: 'text' });
    expect(failureOf(undefined)).toEqual({ name: 'Error', message: 'undefined' });
    expect(failureOf(Object.create(null))).toEqual({
      name: 'Error',
      message: 'a value that cannot be printed',
    });
  });
});

describe('maxRetriesOf', () => {
  it('reads the largest number as no limit', () => {
    expect(maxRetriesOf(3)).toBe(3);
    expect(maxRetriesOf(2 ** 31 - 1)).toBe(Infinity);
  });
});
