import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deadName, encodeId, encodeName } from '../src/names.ts';

const anyText = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.constantFrom('\ud800', '\udc00', 'a:b', '~', '~queues', 'a~dead', '%7E', '12', '-5', '0', '0:1'),
);

describe('encodeName', () => {
  it('gives each name one without a colon, that no queue of our own has', () => {
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        expect(encodeName(one)).not.toMatch(/[:~]/u);
        expect(encodeName(one) === encodeName(other)).toBe(one === other);
      }),
    );
    expect(deadName(encodeName('mails'))).toBe('mails~dead');
    expect(encodeName('mails')).toBe('mails');
  });
});

describe('encodeId', () => {
  it('gives each id one that is no number, without a colon, and short', () => {
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        expect(encodeId(one)).toMatch(/^[ih]\.[\w.-]{1,64}$/u);
        expect(encodeId(one) === encodeId(other)).toBe(one === other);
      }),
    );
    expect(encodeId('welcome-ada')).toBe('i.welcome-ada');
    expect(encodeId('x'.repeat(10_000))).toHaveLength(45);
  });
});
