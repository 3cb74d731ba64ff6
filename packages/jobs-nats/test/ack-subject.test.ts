import { expect, it } from 'vitest';
import { readAckSubject } from '../src/ack-subject.ts';

const at = { deliveries: 2, seq: 41, storedAt: 1_700_000_000_123.456 };

it('reads what a delivery is, from servers of every version', () => {
  const rest = '2.41.77.1700000000123456000.5';
  expect(readAckSubject(`$JS.ACK.shop_jobs_q.workers.${rest}`)).toEqual(at);
  expect(readAckSubject(`$JS.ACK.hub.ACCOUNT.shop_jobs_q.workers.${rest}`)).toEqual(at);
  expect(readAckSubject(`$JS.ACK._.ACCOUNT.shop_jobs_q.workers.${rest}.random`)).toEqual(at);
});

it.each(['', '_INBOX.a.b', '$JS.ACK.stream.consumer', '$JS.API.INFO.1.2.3.4.5.6'])(
  'takes %j for nothing of the kind',
  (subject) => {
    expect(readAckSubject(subject)).toBeUndefined();
  },
);
