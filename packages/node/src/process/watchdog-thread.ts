/** The watchdog's thread: sleeps until it is called off, or kills the process. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** What it is told. */
export interface WatchdogData {
  readonly calledOff: Int32Array<SharedArrayBuffer>;
  readonly limitMs: number;
}

const { calledOff, limitMs }: WatchdogData = workerData;

if (Atomics.wait(calledOff, 0, 0, limitMs) === 'timed-out') {
  writeSync(
    2,
    `The shutdown has not ended after ${limitMs} ms: the event loop is blocked, the process is killed\n`,
  );
  process.kill(process.pid, 'SIGKILL');
}
