import { afterEach, describe, expect, it, vi } from 'vitest';
import { HttpStatusError, TimeoutError } from '@holdfast/core';
import { describe as tell, isSubscribersFault, retryAfterMs, verdictOf } from '../src/verdict.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('verdictOf', () => {
  it.each([
    ['delivered', [200, 201, 202, 204, 299]],
    ['again', [408, 425, 429, 500, 502, 503, 504, 599]],
    ['failed', [300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 410, 422]],
  ] as const)('says %s of %j', (verdict, statuses) => {
    expect(statuses.map(verdictOf)).toEqual(statuses.map(() => verdict));
  });
});

describe('retryAfterMs', () => {
  it('reads seconds and dates', () => {
    vi.useFakeTimers({ now: Date.UTC(2030, 0, 1) });
    expect(retryAfterMs('120')).toBe(120_000);
    expect(retryAfterMs('0')).toBe(0);
    expect(retryAfterMs('Tue, 01 Jan 2030 00:00:05 GMT')).toBe(5_000);
    expect(retryAfterMs('Mon, 31 Dec 2029 23:59:00 GMT')).toBe(0);
  });

  it.each([null, '', '-1', '1.5', 'soon', '5 s'])('takes %j for no advice', (header) => {
    expect(retryAfterMs(header)).toBeUndefined();
  });
});

describe('isSubscribersFault', () => {
  it('counts 5xx, silence and no connection, but no answer below 500', () => {
    const errors = [
      new HttpStatusError(500, 'http://x/'),
      new HttpStatusError(429, 'http://x/'),
      new TimeoutError('Attempt', 'attempt', 5),
      new TypeError('fetch failed'),
      new Error('disk full'),
    ];
    expect(errors.map(isSubscribersFault)).toEqual([true, false, true, true, false]);
  });
});

describe('the last error in words', () => {
  it('names the status, the time, or the cause', () => {
    expect(tell(new HttpStatusError(503, 'http://x/'))).toBe('HTTP 503');
    expect(tell(new TimeoutError('Attempt', 'attempt', 2_000))).toBe('no answer within 2000 ms');
    expect(tell(new TimeoutError('Attempt', 'deadline', 1_895.75))).toBe('no answer within 1896 ms');
    const refused = new Error('connect ECONNREFUSED 127.0.0.1:9');
    expect(tell(new TypeError('fetch failed', { cause: refused }))).toBe('connect ECONNREFUSED 127.0.0.1:9');
    expect(tell('odd')).toBe('odd');
  });
});
