/** The thread of the heartbeat: kills the process when the event loop has stood still for too long. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** What it is told. */
export interface HeartbeatData {
  /** Grows, and wakes this thread, while the loop runs. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  readonly maxBlockMs: number;
}

const { beats, maxBlockMs }: HeartbeatData = workerData;

/** Whether the loop runs. A process that was suspended gets a moment to show it. */
function beatsWithin(seen: number): boolean {
  if (Atomics.wait(beats, 0, seen, maxBlockMs) !== 'timed-out') return true;
  return Atomics.wait(beats, 0, seen, Math.min(1_000, maxBlockMs)) !== 'timed-out';
}

for (let seen = Atomics.load(beats, 0); beatsWithin(seen);) seen = Atomics.load(beats, 0);
writeSync(2, `The event loop has been blocked for more than ${maxBlockMs} ms, the process is killed\n`);
process.kill(process.pid, 'SIGKILL');
