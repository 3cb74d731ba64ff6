import { describe, expect, it } from 'vitest';
import { Outcomes } from '../src/outcomes.ts';

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
});
