import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameJson } from '../src/same-json.ts';

describe('sameJson', () => {
  it.each([
    ['{"a":1,"b":[true,null]}', '{ "b": [true, null], "a": 1.0 }', true],
    ['[1,2]', '[2,1]', false],
    ['{"a":1}', '{"a":1,"b":1}', false],
    ['{"a":1,"b":1}', '{"a":1}', false],
    ['{"a":null}', '{"b":null}', false],
    ['[]', '{}', false],
    ['[1]', '{"0":1}', false],
    ['null', '{}', false],
    ['"1"', '1', false],
    ['{"__proto__":1}', '{"__proto__":2}', false],
    ['{"__proto__":1}', '{}', false],
  ])('compares %s with %s', (one, other, same) => {
    expect(sameJson(one, other)).toBe(same);
    expect(sameJson(other, one)).toBe(same);
  });

  it('agrees with deep equality on any JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (one, other) => {
        expect(sameJson(one, ` ${one}`)).toBe(true);
        let equal = true;
        try {
          expect(JSON.parse(one)).toStrictEqual(JSON.parse(other));
        } catch {
          equal = false;
        }
        expect(sameJson(one, other)).toBe(equal);
      }),
    );
  });

  it('is not stopped by any nesting', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(sameJson(deep, ` ${deep}`)).toBe(true);
  });
});
