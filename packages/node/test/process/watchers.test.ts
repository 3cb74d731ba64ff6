/** Threads that only watch, where they cannot be started: as in a bundle without their file, or for want of memory. */
import { EventEmitter } from 'node:events';
import { reportErrorsTo } from '@holdfast/core/internal';
import { expect, it, onTestFinished, vi } from 'vitest';
import { BlockTracer } from '../../src/loop/block-tracer.ts';
import { Heartbeat } from '../../src/process/heartbeat.ts';
import { Watchdog } from '../../src/process/watchdog.ts';

const failure = new Error('Cannot find module');

vi.mock('node:worker_threads', () => ({
  Worker: class extends EventEmitter {
    constructor() {
      super();
      process.nextTick(() => this.emit('error', failure));
    }
    unref(): void {}
    async terminate(): Promise<void> {}
  },
}));

it.each<[string, () => { stop?: () => unknown }]>([
  ['the watchdog', () => ({ stop: () => {}, watchdog: new Watchdog(1_000) })],
  ['the heartbeat', () => new Heartbeat(1_000)],
  ['the block tracer', () => new BlockTracer(50, () => {})],
])('%s is reported where its thread does not start, and the process goes on', async (_, watch) => {
  const reported = vi.fn<(error: unknown) => void>();
  onTestFinished(reportErrorsTo(reported));
  const watching = watch();
  await vi.waitFor(() => expect(reported).toHaveBeenCalledExactlyOnceWith(failure));
  await watching.stop?.();
});
