import type { WireJob } from '@holdfast/core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BullJob } from '../src/bull.ts';
import { envelop, optionsOf, readJob, readLetter } from '../src/envelope.ts';

const job: WireJob = {
  id: 'a:b',
  body: '{"b":1,"a":"\\u0000"}',
  headers: { 'X-Odd': 'ü\n\0' },
  delayMs: 5,
  priority: 'low',
  enqueuedAt: 1_700_000_000_000,
  maxRetries: 2,
};

function stored(data: unknown, more: object = {}): BullJob {
  const bull: Partial<BullJob> = { id: 'x', data, opts: {}, timestamp: 7, ...more };
  // the rest is not looked at
  return bull as BullJob;
}

describe('an envelope', () => {
  it('gives every job back as it was, through JSON', () => {
    fc.assert(
      fc.property(
        fc.record({
          id: fc.string({ unit: 'binary' }),
          body: fc.json(),
          headers: fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
          delayMs: fc.nat(),
          priority: fc.constantFrom('high' as const, 'normal' as const, 'low' as const),
          enqueuedAt: fc.nat(),
          maxRetries: fc.nat(),
        }),
        (one) => {
          expect(readJob(stored(JSON.parse(JSON.stringify(envelop(one)))))).toEqual(one);
        },
      ),
    );
  });

  it('holds texts without a character that PostgreSQL refuses', () => {
    for (const text of Object.values(envelop(job))) expect(text).not.toContain('\0');
  });

  it('is not needed: what somebody else added is a job, its data the payload', () => {
    expect(readJob(stored({ to: 'ada' }, { opts: { attempts: 3, delay: 10 } }))).toEqual({
      id: 'x',
      body: '{"to":"ada"}',
      headers: {},
      delayMs: 10,
      priority: 'normal',
      enqueuedAt: 7,
      maxRetries: 2,
    });
    for (const data of [undefined, null, 1, { holdfast: 'no', body: 'x' }, { holdfast: 1, body: 2 }])
      expect(readJob(stored(data)).body).toBe(JSON.stringify(data ?? null));
  });

  it.each([
    'null',
    '{}',
    '[]',
    '"x"',
    '{"id":"a","headers":null}',
    JSON.stringify({ ...job, maxRetries: 'x' }),
  ])('is none where it does not say all of a job: %s', (holdfast) => {
    const data = { holdfast, body: '1' };
    expect(readJob(stored(data))).toMatchObject({ id: stored(data).id, body: JSON.stringify(data) });
  });

  it('keeps of a dead letter how it died, and makes up nothing', () => {
    const death = JSON.stringify({ attempts: 3, error: { name: 'TypeError', message: 'no' } });
    expect(readLetter(stored({ ...envelop(job), death }), 'c')).toEqual({
      id: 'a:b',
      payload: job.body,
      attempts: 3,
      diedAt: new Date(7),
      error: { name: 'TypeError', message: 'no' },
      cursor: 'c',
    });
    for (const spoilt of [undefined, 'no', 'null', '{"attempts":1}'])
      expect(readLetter(stored({ ...envelop(job), death: spoilt }), 'c').error.message).toBe('not known');
  });
});

describe('optionsOf', () => {
  it('names each job anew, and puts high before normal before low', () => {
    const order = (['high', 'normal', 'low'] as const).map(
      (priority) => optionsOf({ ...job, priority }).priority,
    );
    expect(order).toEqual([0, 1, 2]);
    expect(optionsOf(job).jobId).not.toBe(optionsOf(job).jobId);
    expect(optionsOf(job).deduplication).toEqual(optionsOf(job).deduplication);
  });
});
