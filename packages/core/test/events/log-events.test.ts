import { afterEach, describe, expect, it, vi } from 'vitest';
import { Service, TaskManager, logEvents, retry, type Logger } from '../../src/index.ts';
import { emit, observed } from '../../src/internal.ts';

function recorder(): { logger: Logger; lines: unknown[][] } {
  const lines: unknown[][] = [];
  const at = (level: string) =>
    vi.fn<(...args: unknown[]) => void>((...args) => void lines.push([level, ...args]));
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

afterEach(() => {
  expect(observed()).toBe(false);
});

describe('logEvents', () => {
  const error = new Error('no');

  it.each([
    ['queue.item-started', { queueDelayMs: 12.4 }, 'debug', 'item started, waited 12 ms'],
    ['queue.item-done', { durationMs: 3 }, 'debug', 'item done in 3 ms'],
    ['queue.item-failed', { error }, 'error', 'item failed'],
    ['queue.producer-failed', { error, delayMs: 1_000 }, 'error', 'producer failed, goes on in 1.0 s'],
    ['queue.producer-failed', { error }, 'error', 'producer failed'],
    ['queue.dropped', { why: 'overflow', count: 2 }, 'warn', '2 dropped (overflow)'],
    ['queue.cancelled', { left: 2, reason: error }, 'warn', 'cancelled with 2 items inside'],
    ['queue.loop-stopped', { error }, 'error', 'loop stopped by an error'],
    ['task.failed', { id: 7, task: 'audit', error }, 'error', 'task "audit" #7 failed'],
    [
      'tasks.waited',
      { completed: 3, failed: 1, cancelled: 1, leaked: ['a'] },
      'info',
      '3 tasks completed, 1 failed, 2 did not complete',
    ],
    [
      'retry.scheduled',
      { attempt: 1, maxRetries: 4, delayMs: 1_000, error },
      'warn',
      'attempt 1/5 failed, retrying in 1.0 s',
    ],
    [
      'retry.scheduled',
      { attempt: 1, maxRetries: Infinity, delayMs: 50, error },
      'warn',
      'attempt 1 failed, retrying in 0.1 s',
    ],
    [
      'retry.gave-up',
      { reason: 'retries', attempts: 5, error },
      'error',
      'gave up after 5 attempts (retries)',
    ],
    [
      'circuit.opened',
      { reason: 'failure rate', breakMs: 5_000 },
      'warn',
      'circuit opened for 5.0 s (failure rate)',
    ],
    ['circuit.closed', {}, 'info', 'circuit closed'],
    ['batch.done', { processed: 9, errors: 1, cancelled: 0 }, 'info', '9 processed, 1 errors, 0 cancelled'],
    [
      'job.retried',
      { id: 'j', attempt: 2, delayMs: 200, error },
      'warn',
      'job j attempt 2 failed, retrying in 0.2 s',
    ],
    ['job.dead', { id: 'j', attempts: 10, error }, 'error', 'job j is dead after 10 attempts'],
    ['service.shutdown', { cause: 'SIGTERM' }, 'info', 'shutting down: SIGTERM'],
    ['service.phase', { phase: 'drain' }, 'info', 'shutdown phase drain'],
    ['service.hook-failed', { hook: 'db', error }, 'error', 'shutdown hook db failed'],
    ['service.report', { outcome: 'clean', durationMs: 10, leaked: [] }, 'info', 'shutdown clean in 10 ms'],
    [
      'service.report',
      { outcome: 'leaked', durationMs: 10, leaked: ['a', 'b'] },
      'error',
      'shutdown leaked in 10 ms, still running: a, b',
    ],
    ['process.exiting', { code: 0, open: {} }, 'debug', 'the process ends with 0'],
    [
      'process.exiting',
      { code: 1, open: { Timeout: 2, TCPSocketWrap: 1 } },
      'warn',
      'the process ends with 1, still open: Timeout 2, TCPSocketWrap 1',
    ],
  ])('writes %s as one line, with the error behind it', (type, data, level, text) => {
    const { logger, lines } = recorder();
    using _ = logEvents(logger);
    emit(type, 'name', data);
    const cause = Object.values(data).find((value) => value instanceof Error);
    expect(lines).toEqual([[level, `[name] ${text}`, ...(cause === undefined ? [] : [cause])]]);
  });

  it('writes what it has no line for at level debug, with its data', () => {
    const { logger, lines } = recorder();
    using _ = logEvents(logger);
    emit('own.event', 'name', { a: 1 });
    expect(lines).toEqual([['debug', '[name] own.event', { a: 1 }]]);
  });

  it('tells the story of a service', async () => {
    const { logger, lines } = recorder();
    using _ = logEvents(logger);
    const service = new Service({ name: 'relay' });
    await service.start();
    service.onShutdown('telemetry', () => Promise.reject(new Error('no')), { phase: 'flush' });
    await service.shutdown({ cause: 'SIGTERM' });
    const told = lines.filter(([level]) => level !== 'debug').map(([, text]) => text);
    expect(told.slice(0, -1)).toEqual([
      '[relay] started',
      '[relay] shutting down: SIGTERM',
      ...['lame-duck', 'intake', 'drain', 'cancel', 'close', 'flush'].map(
        (phase) => `[relay] shutdown phase ${phase}`,
      ),
      '[relay] shutdown hook telemetry failed',
    ]);
    expect(told.at(-1)).toMatch(/^\[relay\] shutdown failed in \d+ ms$/);
  });

  it('has a line for what tasks and retries tell', async () => {
    const { logger, lines } = recorder();
    using _ = logEvents(logger);
    const tasks = new TaskManager({ onError: () => {} });
    tasks.spawn(() =>
      retry(() => Promise.reject(new Error('no')), { maxRetries: 1, baseDelayMs: 1, name: 'send' }),
    );
    await tasks.waitAll();
    for (const [level, text, ...rest] of lines) {
      expect(text).not.toMatch(/undefined|NaN|\[object/);
      if (level === 'debug') expect(rest.every((one) => one instanceof Error)).toBe(true);
    }
    expect(lines.length).toBeGreaterThan(3);
  });

  it('ends with its handle, and several do not disturb each other', () => {
    const [one, two] = [recorder(), recorder()];
    const first = logEvents(one.logger);
    using _ = logEvents(two.logger);
    first[Symbol.dispose]();
    emit('circuit.closed', 'name', {});
    expect([one.lines.length, two.lines.length]).toEqual([0, 1]);
  });

  it('cannot be disturbed by a logger that throws', () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { logger } = recorder();
    using _ = logEvents({
      ...logger,
      info: () => {
        throw error;
      },
    });
    emit('circuit.closed', 'name', {});
    expect(reported).toHaveBeenCalledWith(error);
    reported.mockRestore();
  });

  it('takes the console', () => {
    const info = vi.spyOn(console, 'info').mockImplementation(() => {});
    using _ = logEvents(console);
    emit('circuit.closed', 'name', {});
    expect(info).toHaveBeenCalledWith('[name] circuit closed');
    info.mockRestore();
  });

  it.each([[undefined], [null], [{}], [{ debug() {}, info() {}, warn() {} }]])('refuses %j', (logger) => {
    expect(() => logEvents(logger as never)).toThrow(TypeError);
  });
});
