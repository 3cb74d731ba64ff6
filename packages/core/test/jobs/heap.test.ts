import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Heap } from '../../src/jobs/heap.ts';

describe('Heap', () => {
  it('always gives the smallest of what it holds', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), (steps) => {
        const heap = new Heap<number>((a, b) => a < b);
        const model: number[] = [];
        for (const step of steps) {
          if (step === undefined) {
            model.sort((a, b) => a - b);
            expect(heap.shift()).toBe(model.shift());
          } else {
            heap.push(step);
            model.push(step);
          }
          expect(heap.size).toBe(model.length);
          expect(heap.first).toBe(model.length === 0 ? undefined : Math.min(...model));
        }
      }),
    );
  });

  it('is empty after a clear', () => {
    const heap = new Heap<number>((a, b) => a < b);
    heap.push(1);
    heap.clear();
    expect(heap.shift()).toBeUndefined();
  });
});
