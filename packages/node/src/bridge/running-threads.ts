/** Every thread of every pool: `process.exit` waits for them, and so for ever for one that is inside a native call. */

/** A thread, as the end of its process sees it. */
interface RunningThread {
  /** Stops it if it can be stopped, and tells nobody: the process ends. */
  abandon(): void;
}

const running = new Set<RunningThread>();

/** A thread runs. */
export function threadStarted(thread: RunningThread): void {
  running.add(thread);
}

/** It does not any more. */
export function threadEnded(thread: RunningThread): void {
  running.delete(thread);
}

/** Stops all threads, whoever owns their pools; how many there still are. */
export function abandonThreads(): number {
  for (const thread of running) thread.abandon();
  return running.size;
}
