import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DepthSample } from '../../src/jobs/depth-sample.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const FULL = { code: 'QUEUE_FULL', capacity: 10 };

function make(): { sample: DepthSample; counts: { depth: number; asked: number } } {
  const counts = { depth: 0, asked: 0 };
  const sample = new DepthSample('q', 10, async () => {
    counts.asked += 1;
    return { waiting: counts.depth, active: 0, delayed: 0, dead: 99 };
  });
  return { sample, counts };
}

describe('DepthSample', () => {
  it('asks the engine now and then, not for each job', async () => {
    const { sample, counts } = make();
    for (let n = 0; n < 8; n += 1) await sample.reserve(1);
    expect(counts.asked).toBe(1);
    vi.advanceTimersByTime(251);
    await sample.reserve(1);
    expect(counts.asked).toBe(2);
  });

  it('asks once for all who come together', async () => {
    const { sample, counts } = make();
    await Promise.all([sample.reserve(1), sample.reserve(1), sample.reserve(1)]);
    expect(counts.asked).toBe(1);
  });

  it('carries on from what was added and finished here', async () => {
    const { sample } = make();
    await sample.reserve(10);
    await expect(sample.reserve(1)).rejects.toMatchObject(FULL);
    sample.free(2);
    await sample.reserve(2);
    await expect(sample.reserve(1)).rejects.toMatchObject(FULL);
  });

  it('looks again soon once it is full', async () => {
    const { sample, counts } = make();
    counts.depth = 10;
    await expect(sample.reserve(1)).rejects.toMatchObject(FULL);
    counts.depth = 0;
    await expect(sample.reserve(1)).rejects.toMatchObject(FULL);
    vi.advanceTimersByTime(21);
    await sample.reserve(1);
  });

  it('takes the depth of an engine that knows no parts of it', async () => {
    const sample = new DepthSample('q', 10, () => Promise.resolve({ depth: 9, dead: 99 }));
    await sample.reserve(1);
    await expect(sample.reserve(1)).rejects.toMatchObject(FULL);
  });

  it('hands on the error of an engine that cannot count', async () => {
    const sample = new DepthSample('q', 10, () => Promise.reject(new Error('down')));
    await expect(sample.reserve(1)).rejects.toThrow('down');
    await expect(sample.reserve(1)).rejects.toThrow('down');
  });
});
