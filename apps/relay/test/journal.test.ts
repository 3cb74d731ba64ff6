import { HttpStatusError, noRetry } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { lineOf } from '../src/journal.ts';

function line(type: string, data: Readonly<Record<string, unknown>>): string | undefined {
  return lineOf({ type, name: 'deliveries', at: 0, data });
}

describe('the journal', () => {
  it('has a line for an event that failed for good, with the reason', () => {
    const error = noRetry(new HttpStatusError(410, 'http://x/'));
    expect(line('job.dead', { id: 'a:7d9c', attempts: 1, error })).toBe(
      'event a failed after 1 attempt: HTTP 410',
    );
  });

  it('has a line for what goes wrong inside', () => {
    expect(line('queue.dropped', { why: 'disposed', count: 3 })).toBe('3 events stay queued in the store');
    expect(line('circuit.opened', { reason: 'failures' })).toBe('deliveries: circuit opened (failures)');
    expect(line('task.failed', { task: 'audit', error: new Error('disk full') })).toBe(
      'task audit failed: disk full',
    );
    // the same event comes when a port is taken, which is no shutdown yet
    expect(line('service.hook-failed', { hook: 'listen', error: new Error('EADDRINUSE') })).toBe(
      'listen failed: EADDRINUSE',
    );
    expect(line('pool.thread-crashed', { error: new Error('gone') })).toBe(
      'deliveries: pool.thread-crashed: gone',
    );
  });

  it.each(['job.retried', 'job.released', 'circuit.rejected', 'job.done', 'service.phase'])(
    'has none for %s',
    (type) => {
      expect(line(type, { error: new Error('x') })).toBeUndefined();
    },
  );
});
