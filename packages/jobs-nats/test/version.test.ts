import { expect, it } from 'vitest';
import { isOlder, readVersion } from '../src/version.ts';

it('reads what a server says, and compares by numbers', () => {
  expect(readVersion('2.10.6')).toEqual([2, 10, 6]);
  expect(readVersion('2.11.0-RC.1')).toEqual([2, 11, 0]);
  expect(readVersion('')).toEqual([0, 0, 0]);
  expect(isOlder([2, 9, 10], [2, 10, 6])).toBe(true);
  expect(isOlder([2, 10, 6], [2, 10, 6])).toBe(false);
  expect(isOlder([2, 10, 22], [2, 10, 6])).toBe(false);
  expect(isOlder([3, 0, 0], [2, 10, 6])).toBe(false);
});
