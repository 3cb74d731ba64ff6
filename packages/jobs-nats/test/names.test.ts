import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allJobs, namesOf, startsOf, tokenOf } from '../src/names.ts';

const anyText = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.constantFrom(
    '\uD800',
    '\uDC00',
    '\uFFFD',
    'a.b',
    'a b',
    '>',
    '*',
    '_2e',
    '_',
    '__',
    '-',
    'starts',
    'jobs_x',
  ),
);
const namespace = fc.stringMatching(/^[\w-]{1,32}$/u);

describe('tokenOf', () => {
  it('gives each text one that a subject and the name of a stream may have', () => {
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        expect(tokenOf(one)).toMatch(/^[\w-]{1,120}$/u);
        expect(tokenOf(one) === tokenOf(other)).toBe(one === other);
      }),
    );
  });

  it('leaves what is plain as it is, and shortens what is long', () => {
    expect(tokenOf('welcome-ada')).toBe('welcome-ada');
    expect(tokenOf('a.b c')).toBe('a_2eb_20c');
    expect(tokenOf('x'.repeat(10_000))).toHaveLength(66);
  });

  it('keeps halves of characters apart, which have no form in UTF-8', () => {
    expect(new Set(['\uD800', '\uDC00', '\uFFFD'].map(tokenOf)).size).toBe(3);
  });
});

describe('what belongs to a queue', () => {
  const of = (space: string, queue: string): string[] => {
    const { jobs, dead } = namesOf(space, queue);
    return [jobs.stream, dead.stream, startsOf(space).stream];
  };

  it('belongs to no other, whatever namespaces are called', () => {
    fc.assert(
      fc.property(namespace, anyText, namespace, anyText, (space, queue, otherSpace, otherQueue) => {
        if (space === otherSpace) return;
        const others = new Set(of(otherSpace, otherQueue));
        for (const stream of of(space, queue)) expect(others.has(stream)).toBe(false);
      }),
    );
    expect(of('a_jobs', 'q')).not.toContain(namesOf('a', 'starts').jobs.stream);
  });

  it('is found by one subject', () => {
    expect(namesOf('shop', 'mails')).toEqual({
      jobs: { stream: 'shop_jobs_mails', subject: 'shop.jobs.mails' },
      dead: { stream: 'shop_dead_mails', prefix: 'shop.dead.mails' },
      starts: 'shop.starts.mails',
    });
    expect(allJobs('shop')).toBe('shop.jobs.*');
  });
});
