import { afterEach, describe, expect, it, vi } from 'vitest';
import { isLeaseLost, outcomeOf, translate } from '../src/engine-errors.ts';
import { checkClock } from '../src/postgres-checks.ts';
import { readInfo, redisFlaws } from '../src/redis-checks.ts';

afterEach(() => void vi.restoreAllMocks());

describe('redisFlaws', () => {
  const good =
    '# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n';

  it('finds none in a Redis that keeps what it is given', () => {
    expect(redisFlaws(readInfo(good))).toEqual([]);
  });

  it.each([
    ['redis_version:6.0.16', 'version 6.0.16 is older than 6.2'],
    ['maxmemory_policy:allkeys-lru', 'maxmemory-policy is allkeys-lru, and must be noeviction'],
    ['aof_enabled:0', 'appendonly is off'],
  ])('finds %s', (line, text) => {
    expect(redisFlaws(readInfo(`${good}${line}\r\n`))).toEqual([{ text, certain: true }]);
  });

  it('is not certain of what it is not told', () => {
    expect(redisFlaws(readInfo('')).map(({ certain }) => certain)).toEqual([false, false, false]);
  });
});

describe('checkClock', () => {
  const clock = (aheadMs: number) => ({
    query: () => Promise.resolve({ rows: [{ now: String(Date.now() + aheadMs) }] }),
  });

  it.each([-4_000, 0, 4_000])('takes a server that is %i ms ahead', async (aheadMs) => {
    await expect(checkClock(clock(aheadMs), false)).resolves.toBeUndefined();
  });

  it.each([-60_000, 60_000])('refuses one that is %i ms ahead, or warns', async (aheadMs) => {
    await expect(checkClock(clock(aheadMs), false)).rejects.toMatchObject({ code: 'UNSAFE_ENGINE' });
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await checkClock(clock(aheadMs), true);
    expect(warned).toHaveBeenCalledOnce();
  });
});

describe('outcomeOf', () => {
  const coded = (message: string, code: unknown) => Object.assign(new Error(message), { code });

  it.each([
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    new Error("OOM command not allowed when used memory > 'maxmemory'."),
    coded('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED'),
    coded('the database system is starting up', '57P03'),
    Object.assign(new AggregateError([coded('connect ECONNREFUSED ::1:1', 'ECONNREFUSED')], ''), {}),
  ])('knows that nothing was done: %s', (error) => {
    expect(outcomeOf(error)).toBe('refused');
    expect(translate(error)).toMatchObject({ code: 'ENGINE_UNAVAILABLE', cause: error });
  });

  it.each([
    new Error('Connection terminated unexpectedly'),
    coded('read ECONNRESET', 'ECONNRESET'),
    coded('terminating connection due to administrator command', '57P01'),
  ])('does not know what was done: %s', (error) => {
    expect(outcomeOf(error)).toBe('unknown');
  });

  it('leaves other errors as they are', () => {
    const error = new Error('WRONGTYPE Operation against a key');
    expect(translate(error)).toBe(error);
  });
});

describe('isLeaseLost', () => {
  it('goes by the code', () => {
    expect([-1, -2, -3, -6, -4, 'x', undefined].map((code) => isLeaseLost({ code }))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(isLeaseLost(undefined)).toBe(false);
  });
});
