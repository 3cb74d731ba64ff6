import type { WireJob } from '@holdfast/core';
import { headers } from '@nats-io/transport-node';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeJob, encodeJob, writeHeaders } from '../src/envelope.ts';

const job: WireJob = {
  id: 'a b',
  body: '{"b":1}',
  headers: { 'X-Odd': 'ü\n\0' },
  delayMs: 5,
  priority: 'normal',
  enqueuedAt: 1_700_000_000_000,
  maxRetries: 2,
};
const encoder = new TextEncoder();
const stored = (header: string | undefined, body: string): Parameters<typeof decodeJob>[0] => ({
  seq: 7,
  storedAt: 99,
  headers: header === undefined ? undefined : writeHeaders(headers(), header),
  data: encoder.encode(body),
});

describe('an envelope', () => {
  it('gives every job back as it was', () => {
    fc.assert(
      fc.property(
        fc.record({
          id: fc.string({ minLength: 1, unit: 'binary' }),
          body: fc.json(),
          headers: fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
          delayMs: fc.nat(),
          priority: fc.constant('normal' as const),
          enqueuedAt: fc.nat(),
          maxRetries: fc.nat(),
        }),
        (one) => {
          const header = encodeJob(one);
          // of plain ASCII, on one line
          expect(header).toMatch(/^[ -~]*$/u);
          expect(decodeJob(stored(header, one.body))).toEqual({ job: one, death: undefined });
        },
      ),
    );
  });

  it('keeps of a dead letter how it died', () => {
    const death = { attempts: 3, diedAt: 5, error: { name: 'TypeError', message: 'nö' } };
    expect(decodeJob(stored(encodeJob(job, death), job.body))).toEqual({ job, death });
  });

  it.each([undefined, '', 'no JSON', 'null', '7', '{}', '{"id":7}', '{"id":"a","headers":{}}'])(
    'is not needed: what somebody else put in is a job, its data the payload: %j',
    (header) => {
      expect(decodeJob(stored(header, '{"to":"ada"}'))).toEqual({
        job: {
          id: 'message-7',
          body: '{"to":"ada"}',
          headers: {},
          delayMs: 0,
          priority: 'normal',
          enqueuedAt: 99,
          maxRetries: 3,
        },
        death: undefined,
      });
    },
  );

  it('is not what an envelope must not be', () => {
    const wrong = [
      { headers: null },
      { headers: { a: 1 } },
      { maxRetries: -1 },
      { delayMs: -1 },
      { id: '' },
      { death: 7 },
    ];
    for (const one of wrong) {
      const header = JSON.stringify({ ...JSON.parse(encodeJob(job)), ...one });
      expect(decodeJob(stored(header, '1')), header).toMatchObject({ job: { id: 'message-7' } });
    }
  });
});
