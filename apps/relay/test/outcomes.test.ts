/// <reference lib="esnext.disposable" />
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Outcomes, type LookUp } from '../src/outcomes.ts';

describe('Outcomes', () => {
  it('tells everybody who waits for an event, and nobody else', async () => {
    const outcomes = new Outcomes();
    const [one, other, elsewhere] = [outcomes.wait('a'), outcomes.wait('a'), outcomes.wait('b')];
    outcomes.tell('a', { status: 'failed', lastError: 'HTTP 410' });
    expect(await one.settled).toEqual({ status: 'failed', lastError: 'HTTP 410' });
    expect(await other.settled).toEqual({ status: 'failed', lastError: 'HTTP 410' });
    for (const waiting of [one, other, elsewhere]) waiting[Symbol.dispose]();
    expect(outcomes.size).toBe(0);
  });

  it('forgets who gives up, also when others wait and when somebody comes later', async () => {
    const outcomes = new Outcomes();
    const one = outcomes.wait('a');
    const other = outcomes.wait('a');
    one[Symbol.dispose]();
    expect(outcomes.size).toBe(1);
    outcomes.tell('a', { status: 'delivered', lastError: undefined });
    await other.settled;
    const late = outcomes.wait('a');
    other[Symbol.dispose]();
    expect(outcomes.size).toBe(1);
    late[Symbol.dispose]();
    expect(outcomes.size).toBe(0);
  });

  it('rejects who waits, and who comes, once there will be no outcome', async () => {
    const outcomes = new Outcomes();
    using one = outcomes.wait('a');
    outcomes.end('over');
    using late = outcomes.wait('b');
    await expect(one.settled).rejects.toBe('over');
    await expect(late.settled).rejects.toBe('over');
  });

  describe('where others deliver too', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('looks up what is waited for until it is settled, and has no timer at rest', async () => {
      const asked: (readonly string[])[] = [];
      let settled = false;
      const lookUp: LookUp = async (ids) => {
        asked.push(ids);
        if (asked.length === 2) throw new Error('busy');
        return settled ? [{ id: 'a', status: 'delivered', lastError: undefined }] : [];
      };
      const outcomes = new Outcomes(lookUp);
      expect(vi.getTimerCount()).toBe(0);
      using waiting = outcomes.wait('a');
      await vi.advanceTimersByTimeAsync(350);
      expect(asked).toEqual([['a'], ['a'], ['a']]);
      settled = true;
      await vi.advanceTimersByTimeAsync(100);
      expect(await waiting.settled).toEqual({ status: 'delivered', lastError: undefined });
      expect(vi.getTimerCount()).toBe(0);
    });

    it('stops to look when the last one gives up', () => {
      const outcomes = new Outcomes(async () => []);
      outcomes.wait('a')[Symbol.dispose]();
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});
