import { describe, expect, it } from 'vitest';
import {
  checkBetween,
  checkBoolean,
  checkDelayMs,
  checkFunction,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptions,
  checkRate,
  checkTimeoutMs,
} from '../../src/options/checks.ts';

const wrongType = { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' };
const outOfRange = { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' };
const refusal = (check: () => unknown): unknown => {
  try {
    return check();
  } catch (error) {
    return error;
  }
};

describe('option checks', () => {
  it.each<[string, (value: unknown) => unknown, unknown[], unknown[], unknown[]]>([
    [
      'checkInteger',
      (v) => checkInteger('n', v, 1),
      [1, 5],
      ['1', 1n, true, null, undefined],
      [0, -1, 1.5, Number.NaN, Infinity],
    ],
    ['checkInteger with Infinity', (v) => checkInteger('n', v, 0, true), [0, Infinity], [], [-Infinity, -1]],
    [
      'checkBetween',
      (v) => checkBetween('n', v, 0, 1_000),
      [0, 0.5, 1_000],
      ['1'],
      [-0.1, 1_001, Number.NaN],
    ],
    ['checkRate', (v) => checkRate('n', v), [0.01, 1], ['1'], [0, 1.1, -1, Number.NaN]],
    [
      'checkTimeoutMs',
      (v) => checkTimeoutMs('n', v),
      [1, 0.5, Infinity, 2 ** 31 - 1],
      ['1'],
      [0, -1, 2 ** 31, Number.NaN],
    ],
    ['checkDelayMs', (v) => checkDelayMs('n', v), [0, 5], ['1'], [-1, Infinity, 2 ** 31, Number.NaN]],
    ['checkDelayMs with Infinity', (v) => checkDelayMs('n', v, true), [Infinity], [], []],
    ['checkOneOf', (v) => checkOneOf('n', v, ['full', 'none']), ['full'], [1, null], ['half']],
    ['checkName', (v) => checkName('n', v), ['a'], [1], ['']],
    ['checkBoolean', (v) => checkBoolean('n', v), [true], [1, 'true'], []],
  ])('%s', (_, check, good, bad, out) => {
    for (const value of good) expect(check(value)).toBe(value);
    for (const value of bad) expect(refusal(() => check(value))).toMatchObject(wrongType);
    for (const value of out) expect(refusal(() => check(value))).toMatchObject(outOfRange);
  });

  it('names option and value', () => {
    expect(() => checkInteger('concurrency', 1.5, 1, true)).toThrow(
      'concurrency must be a whole number between 1 and Infinity, got 1.5',
    );
    expect(() => checkOneOf('jitter', 'ful', ['full', 'none'])).toThrow(
      'jitter must be one of full, none, got "ful"',
    );
  });

  it('refuses options that are no object, and keys that nobody reads', () => {
    for (const value of [null, [], 'x', 5])
      expect(refusal(() => checkOptions('options', value))).toMatchObject(wrongType);
    expect(refusal(() => checkOptions('options', { maxConcurent: 5 }, ['maxConcurrent']))).toMatchObject(
      wrongType,
    );
    expect(() => checkFunction('fn', 5)).toThrow('fn must be a function, got 5');
  });
});
