import { describe, expect, it } from 'vitest';
import { bullmq } from '../src/index.ts';
import { readLocation } from '../src/location.ts';

describe('readLocation', () => {
  it('keeps what is ours, and leaves the rest to the client', () => {
    expect(readLocation(new URL('redis://user:pass@host:6380/3?prefix=shop&family=6'))).toEqual({
      kind: 'redis',
      url: 'redis://user:pass@host:6380/3?family=6',
      prefix: 'shop',
      allowUnsafe: false,
    });
    expect(readLocation(new URL('rediss://host?allowUnsafe=true'))).toEqual({
      kind: 'redis',
      url: 'rediss://host',
      prefix: 'bull',
      allowUnsafe: true,
    });
    expect(readLocation(new URL('postgresql://host/db?schema=jobs&sslmode=require'))).toEqual({
      kind: 'postgres',
      url: 'postgresql://host/db?sslmode=require',
      schema: 'jobs',
      allowUnsafe: false,
    });
    expect(readLocation(new URL('postgres://host/db'))).toMatchObject({ kind: 'postgres', schema: 'bullmq' });
  });

  it.each([
    'redis://host?prefix=',
    'redis://host?prefix=a:b',
    'redis://host?schema=a',
    'redis://host?allowUnsafe=yes',
    'postgres://host/db?schema=a-b',
    'postgres://host/db?schema=',
  ])('refuses %s', (url) => {
    expect(() => readLocation(new URL(url))).toThrow(RangeError);
  });

  it('does not show a password in its errors', () => {
    expect(() => readLocation(new URL('redis://user:secret@host?prefix='))).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    );
  });
});

describe('bullmq', () => {
  it('says what each engine does by itself, before it is open', () => {
    const redis = bullmq.connect(new URL('redis://localhost')).capabilities;
    const postgres = bullmq.connect(new URL('postgres://localhost/db')).capabilities;
    expect(redis).toMatchObject({ leaseClock: 'server', backpressure: 'sampled', atomicBatch: true });
    expect(postgres).toEqual({ ...redis, leaseClock: 'worker' });
  });

  it('answers nothing before it is open, and closes all the same', async () => {
    const driver = bullmq.connect(new URL('redis://localhost'));
    await expect(driver.counts('q')).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    await driver.close();
  });
});
