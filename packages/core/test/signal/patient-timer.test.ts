import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deadline, withTimeout } from '../../src/index.ts';
import { PatientTimer } from '../../src/signal/patient-timer.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

/** Whether the runtime can tell which timers there are; workerd cannot. */
const listsTimers = ((): boolean => {
  try {
    return timers() >= 0;
  } catch {
    return false;
  }
})();

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('PatientTimer', () => {
  it.skipIf(!listsTimers)('sets no timer for work that is over within a few microtasks', async () => {
    // the timers it was loaded with, so that it is patient
    const before = timers();
    const timer = new PatientTimer();
    timer.until(Deadline.after(1_000), () => {});
    await Promise.resolve();
    timer.clear();
    await turn();
    expect(timers()).toBe(before);
  });

  it('rings for work that lasts, and counts the time from the beginning', async () => {
    const begun = performance.now();
    const rungAt = await new Promise<number>((resolve) => {
      new PatientTimer().until(Deadline.after(20), () => resolve(performance.now() - begun));
    });
    expect(rungAt).toBeGreaterThan(18);
  });

  it('rings only for what was set last, and not once cleared', async () => {
    const timer = new PatientTimer();
    const rung: string[] = [];
    timer.until(Deadline.after(1), () => rung.push('first'));
    timer.until(Deadline.after(2), () => rung.push('second'));
    await vi.waitFor(() => expect(rung).toEqual(['second']));
    timer.until(Deadline.after(1), () => rung.push('third'));
    await turn();
    timer.clear();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(rung).toEqual(['second']);
  });

  it('ends work that blocked the loop past its time, unless the work had settled by then', async () => {
    const block = (): void => {
      const until = performance.now() + 5;
      while (performance.now() < until);
    };
    await expect(withTimeout(async () => (block(), 'fine'), { timeoutMs: 1 })).resolves.toBe('fine');
    await expect(withTimeout(() => (block(), new Promise(() => {})), { timeoutMs: 1 })).rejects.toMatchObject(
      { code: 'TIMEOUT' },
    );
  });

  it('is no later than a fake clock, also where that is moved before the first microtask', async () => {
    vi.useFakeTimers();
    const rung: string[] = [];
    new PatientTimer().until(Deadline.after(50), () => rung.push('rung'));
    vi.advanceTimersByTime(50);
    expect(rung).toEqual(['rung']);
    const outcome = withTimeout(() => new Promise(() => {}), { timeoutMs: 10 });
    vi.runAllTimers();
    await expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});
