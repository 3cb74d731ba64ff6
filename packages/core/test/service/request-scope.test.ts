import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  DisconnectedError,
  OverloadedError,
  Service,
  ShuttingDownError,
  TimeoutError,
  currentScope,
  isHoldfastError,
  sleep,
} from '../../src/index.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('RequestScope', () => {
  it('aborts with a DisconnectedError when the caller leaves, and never by a normal end', () => {
    const service = new Service({ name: 's' });
    const left = service.openScope();
    const ended = service.openScope();
    const late = service.openScope();
    const signals = [left.scope.signal, ended.scope.signal];
    left.disconnect();
    ended.end();
    ended.disconnect();
    late.disconnect();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(left.scope.signal.reason).toBeInstanceOf(DisconnectedError);
    expect(late.scope.signal.reason).toBeInstanceOf(DisconnectedError);
  });

  it('aborts with a TimeoutError of kind deadline, and has no timer until its signal is read', async () => {
    const service = new Service({ name: 's' });
    const { scope } = service.openScope({ timeoutMs: 1_000 });
    expect(vi.getTimerCount()).toBe(0);
    const { signal } = scope;
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(signal.reason).toBeInstanceOf(TimeoutError);
    expect(isHoldfastError(signal.reason, 'TIMEOUT') && signal.reason.kind).toBe('deadline');
    expect(scope.deadline?.expired).toBe(true);
  });

  it('is found by whatever runs in it', async () => {
    const service = new Service({ name: 's' });
    const { scope, run } = bound(service);
    expect(currentScope()).toBeUndefined();
    await run(async () => {
      await Promise.resolve();
      expect(currentScope()).toBe(scope);
    });
  });

  it('starts background work at once or after the response, with its own signal, and calls waitUntil once for each', async () => {
    const service = new Service({ name: 's' });
    const waitUntil = vi.fn<(promise: Promise<unknown>) => void>();
    const handle = service.openScope({ waitUntil });
    const log: string[] = [];
    const now = handle.scope.background(
      ({ signal }) => void log.push(`now ${signal === handle.scope.signal}`),
    );
    const after = handle.scope.background(() => void log.push('after'), { after: 'response' });
    const cancelled = handle.scope.background(() => void log.push('never'), {
      after: 'response',
      onDisconnect: 'cancel',
    });
    expect(service.tasks.size).toBe(3);
    await now;
    expect(log).toEqual(['now false']);
    handle.disconnect();
    await after;
    await expect(cancelled).rejects.toBeInstanceOf(DisconnectedError);
    expect(log).toEqual(['now false', 'after']);
    expect(waitUntil).toHaveBeenCalledTimes(3);
    await Promise.all(waitUntil.mock.calls.map(([promise]) => promise));
    expect(service.tasks.size).toBe(0);
  });

  it('is drained, cancelled and refused at a shutdown; its background work still passes the door', async () => {
    const service = new Service({ name: 's' });
    const quick = service.openScope();
    const slow = service.openScope();
    slow.scope.signal.addEventListener('abort', () => slow.end());
    const promise = service.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    expect(() => service.openScope()).toThrow(ShuttingDownError);
    expect(() => service.tasks.spawn(() => {})).toThrow(ShuttingDownError);
    quick.scope.background(() => sleep(100), { name: 'audit' });
    quick.end();
    await vi.advanceTimersByTimeAsync(30_000);
    const report = await promise;
    expect(slow.scope.signal.reason).toBeInstanceOf(ShuttingDownError);
    expect(report.outcome).toBe('clean');
    expect(report.requests).toEqual({ drained: 1, cancelled: 1, rejected: 1 });
    expect(report.tasks).toEqual({ completed: 1, failed: 0, cancelled: 0, leaked: [] });
  });

  it('is not opened where a component sheds load', () => {
    const service = new Service({ name: 's' });
    const error = new OverloadedError('busy', { retryAfterMs: 2_000 });
    service.own({ name: 'loop', overload: () => error });
    expect(() => service.openScope()).toThrow(error);
  });
});

function bound(service: Service) {
  const handle = service.openScope();
  return { scope: handle.scope, run: <T>(fn: () => T): T => handle.run(fn) };
}
