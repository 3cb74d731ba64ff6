import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseRetryAfter } from '../../src/http/retry-after.ts';

describe('Retry-After', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(1994, 10, 6, 8, 49, 7) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ['120', 120_000],
    ['0', 0],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 30_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 30_000],
    ['Sun Nov  6 08:49:37 1994', 30_000],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
  ])('is understood in each of its forms: %s', (value, waitMs) => {
    expect(parseRetryAfter(value)).toBe(waitMs);
  });

  it.each([null, '', 'soon', '-5', '1.5', '99999999999', '1994-11-06', 'Sun, 06 Foo 1994 08:49:37 GMT'])(
    'asks for nothing where it is %s',
    (value) => {
      expect(parseRetryAfter(value)).toBeUndefined();
    },
  );
});
