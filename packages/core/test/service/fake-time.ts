import { afterEach, beforeEach, expect, vi } from 'vitest';
import { Service, type ShutdownOptions, type ShutdownReport } from '../../src/index.ts';

/** A simulated clock for every test of the file; a test that leaves a timer behind fails. */
export function useFakeTime(): void {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    const timers = vi.getTimerCount();
    vi.useRealTimers();
    expect(timers, 'timers at rest').toBe(0);
  });
}

export function never(): Promise<never> {
  return new Promise(() => {});
}

export function service(shutdown: ShutdownOptions = {}): Service {
  return new Service({ name: 's', shutdown });
}

/** Lets `promise` settle while the clock goes on by at most `forMs`; fails where it does not. */
export async function within<T>(forMs: number, promise: Promise<T>): Promise<T> {
  let outcome: { value: T } | { error: unknown } | undefined;
  promise.then(
    (value) => (outcome = { value }),
    (error: unknown) => (outcome = { error }),
  );
  await vi.advanceTimersByTimeAsync(forMs);
  if (outcome === undefined) throw new Error(`not settled within ${forMs} ms`);
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

export function stop(owner: Service, cause?: string): Promise<ShutdownReport> {
  return within(30_000, owner.shutdown({ cause }));
}

export function durations(report: ShutdownReport): Record<string, number> {
  return Object.fromEntries(report.phases.map(({ phase, durationMs }) => [phase, Math.round(durationMs)]));
}
