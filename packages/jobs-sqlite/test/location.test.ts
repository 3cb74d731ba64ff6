import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLocation } from '../src/location.ts';

describe('readLocation', () => {
  it.each([
    ['sqlite:./data/jobs.db', resolve('data/jobs.db')],
    ['sqlite:jobs.db', resolve('jobs.db')],
    ['sqlite:/var/lib/jobs.db', '/var/lib/jobs.db'],
    ['sqlite:///var/lib/jobs.db', '/var/lib/jobs.db'],
    ['sqlite:./my%20data/jöbs.db', resolve('my data/jöbs.db')],
  ])('finds the file of %s', (url, path) => {
    expect(readLocation(new URL(url))).toEqual({ path, synchronous: 'normal' });
  });

  it('reads how safe a commit is to be', () => {
    expect(readLocation(new URL('sqlite:jobs.db?synchronous=full')).synchronous).toBe('full');
    expect(readLocation(new URL('sqlite:///jobs.db?synchronous=normal')).synchronous).toBe('normal');
  });

  it.each([
    'sqlite:',
    'sqlite:///',
    'sqlite::memory:',
    'sqlite://host/jobs.db',
    'sqlite:a.db?synchronous=off',
    'sqlite:a.db?mode=ro',
  ])('refuses %s', (url) => {
    expect(() => readLocation(new URL(url))).toThrow(RangeError);
  });
});
