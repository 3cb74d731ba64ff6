import { describe, expect, it } from 'vitest';
import { CircuitOpenError, QueueFullError, TimeoutError, isHoldfastError } from '../../src/index.ts';
import { isRefusal } from '../../src/errors/brand.ts';

describe('isHoldfastError', () => {
  it('tells our errors from others, by code where one is given', () => {
    const error: unknown = new QueueFullError('orders', 10, 500);
    expect(isHoldfastError(error)).toBe(true);
    expect(isHoldfastError(error, 'QUEUE_FULL')).toBe(true);
    expect(isHoldfastError(error, 'TIMEOUT')).toBe(false);
    expect(isHoldfastError(Object.assign(new Error('other'), { code: 'TIMEOUT' }), 'TIMEOUT')).toBe(false);
    for (const value of [undefined, null, 'QUEUE_FULL', {}]) expect(isHoldfastError(value)).toBe(false);
  });

  it('knows the errors of another copy of the package', () => {
    const foreign = Object.assign(new Error('full'), {
      code: 'QUEUE_FULL',
      [Symbol.for('holdfast.error')]: true,
    });
    expect(isHoldfastError(foreign, 'QUEUE_FULL')).toBe(true);
  });

  it('narrows to the class that carries the numbers', () => {
    const error: unknown = new CircuitOpenError('payments', 'open', { retryAfterMs: 700 });
    if (!isHoldfastError(error, 'CIRCUIT_OPEN')) throw new Error('not narrowed');
    expect([error.state, error.retryAfterMs, error.name]).toEqual(['open', 700, 'CircuitOpenError']);
  });

  it('counts refusals, made before anything ran, apart from failures', () => {
    expect(isRefusal(new QueueFullError('orders', 10))).toBe(true);
    expect(isRefusal(new TimeoutError('x', 'total', 5))).toBe(false);
  });

  it('keeps its brand out of what is printed and serialised', () => {
    expect(JSON.parse(JSON.stringify(new QueueFullError('orders', 10)))).toMatchObject({
      code: 'QUEUE_FULL',
      queue: 'orders',
    });
  });
});
