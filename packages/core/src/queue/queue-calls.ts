/** What the calls of a queue accept beyond what every call that waits does, and what they refuse before anything happens. */
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkWaitOptions, type WaitOptions } from '../signal/wait-line.ts';

/** What `takeBatch` accepts. With `maxWaitMs` it waits for `max` items, without it for the first. */
export interface TakeBatchOptions extends WaitOptions {
  /** How many items it takes at most. A batch larger than the queue is complete when the queue is full. */
  readonly max: number;
}

/** Rejects a call whose options are bad, whose caller has left, or whose time is over. */
export function checkCall(options: WaitOptions, doing: string, queue: string): void {
  checkWaitOptions(options);
  options.signal?.throwIfAborted();
  if (options.deadline?.expired) throw new TimeoutError(`${doing} queue "${queue}"`, 'deadline', 0);
}
