import { describe, expect, it } from 'vitest';
import {
  CircuitOpenError,
  DisconnectedError,
  TimeoutError,
  toProblem,
  type HoldfastCode,
} from '../../src/index.ts';
import { HOLDFAST_ERROR } from '../../src/errors/brand.ts';

/** An error of another copy of the package: not of our classes, but with the brand. */
function foreign(code: HoldfastCode, more: object = {}): unknown {
  return Object.assign(new Error('details'), { [HOLDFAST_ERROR]: true, code, ...more });
}

describe('toProblem', () => {
  it.each<HoldfastCode>([
    'QUEUE_FULL',
    'BULKHEAD_FULL',
    'POOL_FULL',
    'TASK_LIMIT',
    'RATE_LIMITED',
    'OVERLOADED',
    'ENQUEUE_TIMEOUT',
    'ENGINE_UNAVAILABLE',
    'CIRCUIT_OPEN',
  ])('answers %s with 503 and Retry-After', (code) => {
    const problem = toProblem(foreign(code, { retryAfterMs: 2_500 }));
    expect(problem?.status).toBe(503);
    expect(problem?.headers).toEqual({ 'Content-Type': 'application/problem+json', 'Retry-After': '3' });
  });

  it.each<HoldfastCode>(['QUEUE_CLOSED', 'SHUTTING_DOWN'])(
    'answers %s with 503, Retry-After and Connection: close',
    (code) => {
      expect(toProblem(foreign(code))).toMatchObject({
        status: 503,
        headers: { 'Retry-After': '1', Connection: 'close' },
      });
    },
  );

  it.each(['attempt', 'total', 'deadline', 'wait'] as const)(
    'answers a TIMEOUT of kind %s with 504',
    (kind) => {
      const problem = toProblem(new TimeoutError('The call', kind, 10));
      expect(problem).toMatchObject({ status: 504, body: { title: 'Gateway Timeout', code: 'TIMEOUT' } });
      expect(problem?.headers).toEqual({ 'Content-Type': 'application/problem+json' });
    },
  );

  it('answers a key in use with 409, and one used for something else with 422', () => {
    expect(toProblem(foreign('KEY_IN_USE', { retryAfterMs: 250 }))).toMatchObject({
      status: 409,
      body: { title: 'Conflict', retryAfterMs: 250 },
    });
    expect(toProblem(foreign('KEY_REUSED'))).toMatchObject({
      status: 422,
      body: { title: 'Unprocessable Content' },
    });
  });

  it('answers PAYLOAD_TOO_LARGE with 413', () => {
    expect(toProblem(foreign('PAYLOAD_TOO_LARGE'))).toMatchObject({
      status: 413,
      body: { title: 'Content Too Large', status: 413, detail: 'details' },
    });
  });

  it.each<HoldfastCode>([
    'GROUP_CLOSED',
    'HTTP_STATUS',
    'LEASE_LOST',
    'NO_RETRY',
    'PAYLOAD_INVALID',
    'RETRY_LATER',
    'SIBLING_FAILED',
    'UNSAFE_ENGINE',
    'UNSUPPORTED',
    'WORKER_CRASHED',
  ])('answers %s with 500 and its code, and says nothing of the inside', (code) => {
    expect(toProblem(foreign(code))).toEqual({
      status: 500,
      headers: { 'Content-Type': 'application/problem+json' },
      body: {
        type: 'about:blank',
        title: 'Internal Server Error',
        status: 500,
        detail: 'The server could not complete the request',
        code,
      },
    });
  });

  it('answers nothing to a caller who has left, and to errors that are not ours', () => {
    expect(toProblem(new DisconnectedError())).toBeUndefined();
    for (const error of [
      new Error('x'),
      { code: 'QUEUE_FULL' },
      new DOMException('x', 'TimeoutError'),
      undefined,
      null,
      'x',
    ])
      expect(toProblem(error)).toBeUndefined();
  });

  it('has the members of RFC 9457, with code and retryAfterMs beside them', () => {
    const error = new CircuitOpenError('payments', 'open', { retryAfterMs: 1_500 });
    expect(toProblem(error)).toEqual({
      status: 503,
      headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '2' },
      body: {
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        detail: error.message,
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 1_500,
      },
    });
  });

  it.each([
    [undefined, '1', undefined],
    [0, '1', 0],
    [1, '1', 1],
    [1_000, '1', 1_000],
    [1_001, '2', 1_001],
    [59_999.5, '60', 59_999.5],
    [Infinity, '1', undefined],
    [Number.NaN, '1', undefined],
    [-5, '1', undefined],
    ['5', '1', undefined],
  ])('rounds a wait of %s ms up to whole seconds, at least 1', (retryAfterMs, header, member) => {
    const problem = toProblem(foreign('OVERLOADED', { retryAfterMs }));
    expect(problem?.headers['Retry-After']).toBe(header);
    expect(problem?.body.retryAfterMs).toBe(member);
    if (member === undefined) expect(problem?.body).not.toHaveProperty('retryAfterMs');
  });
});
