import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PayloadInvalidError, PayloadTooLargeError } from '../../src/errors/job-errors.ts';
import { encodePayload } from '../../src/jobs/encoding.ts';

const MAX = 1_000_000;

function refusalOf(payload: unknown): PayloadInvalidError {
  try {
    encodePayload(payload, MAX);
  } catch (error) {
    if (error instanceof PayloadInvalidError) return error;
  }
  throw new Error('was encoded');
}

describe('encodePayload', () => {
  it('writes every JSON value as JSON does', () => {
    const property = fc.property(
      fc.jsonValue(),
      (value) => encodePayload(value, MAX) === JSON.stringify(value),
    );
    expect(fc.check(property)).toMatchObject({ failed: false, counterexample: null });
  });

  it('takes null, and objects without a prototype', () => {
    expect(encodePayload(null, MAX)).toBe('null');
    expect(encodePayload(Object.assign(Object.create(null), { a: 1 }), MAX)).toBe('{"a":1}');
  });

  it('takes an instance of a class by its own members', () => {
    class Delivery {
      readonly url = 'http://x';
      readonly #secret = 1;
      get secret(): number {
        return this.#secret;
      }
    }
    expect(encodePayload(new Delivery(), MAX)).toBe('{"url":"http://x"}');
  });

  it('leaves out an undefined member, which reads the same on the other side', () => {
    expect(encodePayload({ a: 1, b: undefined }, MAX)).toBe('{"a":1}');
  });

  it('takes the same object twice, side by side', () => {
    const shared = { a: 1 };
    expect(encodePayload([shared, shared], MAX)).toBe('[{"a":1},{"a":1}]');
  });

  it.each([
    ['undefined', undefined, '$', 'is undefined'],
    ['a function', () => {}, '$', 'is a function'],
    ['a symbol', { a: Symbol('x') }, '$.a', 'is a symbol'],
    ['a bigint', { items: [0, 1, 2, { price: 1n }] }, '$.items[3].price', 'is a bigint'],
    ['NaN', { a: Number.NaN }, '$.a', 'is NaN'],
    ['Infinity', [Infinity], '$[0]', 'is Infinity'],
    ['a date', { at: new Date(0) }, '$.at', 'is of type Date'],
    ['a map', { a: new Map() }, '$.a', 'is of type Map'],
    ['a set', { a: new Set() }, '$.a', 'is of type Set'],
    ['an error', { a: new Error('x') }, '$.a', 'is of type Error'],
    ['a promise', { a: Promise.resolve() }, '$.a', 'is of type Promise'],
    ['bytes', { a: new Uint8Array(1) }, '$.a', 'is of type Uint8Array'],
    ['a boxed number', { a: Object(1) as unknown }, '$.a', 'is of type Number'],
    ['a URL', { a: new URL('http://x') }, '$.a', 'is of type URL'],
    ['a toJSON method', { a: { toJSON: () => 1 } }, '$.a', 'has a toJSON method'],
    ['a hole in an array', { a: Array(1) as unknown }, '$.a[0]', 'is undefined'],
    ['an undefined item', { a: [1, undefined] }, '$.a[1]', 'is undefined'],
    ['a symbol as a key', { a: { [Symbol('k')]: 1 } }, '$.a', 'has a symbol as a key'],
    ['a key that is no identifier', { 'a b': { '': 1n } }, '$["a b"][""]', 'is a bigint'],
  ])('refuses %s and says where', (_name, payload, path, why) => {
    const error = refusalOf(payload);
    expect(error.path).toBe(path);
    expect(error.message).toBe(`Payload cannot be encoded: ${path} ${why}`);
    expect(error.retryable).toBe(false);
  });

  it('refuses a cycle, and says where it closes', () => {
    const a: { b: { c?: unknown }[] } = { b: [{}] };
    a.b[0] = { c: a };
    expect(refusalOf(a)).toMatchObject({ path: '$.b[0].c' });
  });

  it('refuses what is nested too deep before the stack overflows', () => {
    let deep: unknown = 1;
    for (let n = 0; n < 100_000; n += 1) deep = [deep];
    expect(refusalOf(deep).message).toMatch(/nested deeper than 1000$/u);
  });

  it('counts bytes and not characters', () => {
    expect(encodePayload('ää', 6)).toBe('"ää"');
    expect(() => encodePayload('ää', 5)).toThrow(PayloadTooLargeError);
    try {
      encodePayload('€', 4);
    } catch (error) {
      expect(error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', bytes: 5, maxBytes: 4 });
    }
  });

  it('counts as the encoder does', () => {
    const property = fc.property(fc.string({ unit: 'binary' }), (text) => {
      const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
      if (encodePayload(text, bytes) !== JSON.stringify(text)) return false;
      try {
        encodePayload(text, bytes - 1);
      } catch (error) {
        return error instanceof PayloadTooLargeError && error.bytes === bytes;
      }
      return false;
    });
    expect(fc.check(property)).toMatchObject({ failed: false, counterexample: null });
  });

  it('does not unfold a graph that would become larger than what fits', () => {
    let graph: unknown = [1];
    for (let n = 0; n < 100; n += 1) graph = [graph, graph];
    expect(() => encodePayload(graph, 10_000)).toThrow(PayloadTooLargeError);
  });

  it('begins the path with the name of the root', () => {
    expect(() => encodePayload([1n], MAX, 'jobs[2].payload')).toThrow('jobs[2].payload[0] is a bigint');
  });
});
