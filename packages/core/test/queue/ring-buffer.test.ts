import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RingBuffer } from '../../src/queue/ring-buffer.ts';

describe('RingBuffer', () => {
  it('does what an array does, at both ends', () => {
    const operation = fc.oneof(
      { weight: 3, arbitrary: fc.constant('push' as const) },
      { weight: 2, arbitrary: fc.constant('shift' as const) },
      { weight: 1, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 2_000 }), (operations) => {
        const buffer = new RingBuffer<number>();
        const array: number[] = [];
        for (const [value, name] of operations.entries()) {
          if (name === 'push') {
            buffer.push(value);
            array.push(value);
          } else {
            expect(buffer[name]()).toBe(array[name]());
          }
          expect(buffer.size).toBe(array.length);
          expect(buffer.first).toBe(array[0]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('grows and gives its memory back when it runs empty', () => {
    const buffer = new RingBuffer<number>();
    for (let round = 0; round < 3; round += 1) {
      for (let value = 0; value < 5_000; value += 1) buffer.push(value);
      for (let value = 0; value < 5_000; value += 1) expect(buffer.shift()).toBe(value);
      expect(buffer.shift()).toBeUndefined();
      expect(buffer.pop()).toBeUndefined();
    }
  });

  it('lets go of what was taken', async () => {
    const buffer = new RingBuffer<object>();
    let taken: object | undefined = {};
    const reference = new WeakRef(taken);
    buffer.push({});
    buffer.push(taken);
    taken = undefined;
    buffer.pop();
    await new Promise((resolve) => setTimeout(resolve));
    globalThis.gc?.();
    expect(globalThis.gc === undefined || reference.deref() === undefined).toBe(true);
  });
});
