/**
 * What an operator reads on standard output: a line for each event that failed for good and for each thing inside that went wrong.
 * Retries and refusals are everyday here; `/stats` and `/metrics` count them.
 */
import { subscribe, type HoldfastEvent } from '@holdfast/core';
import { describe } from './verdict.ts';

/** Prints until the returned handle is disposed. */
export function keepJournal(): Disposable {
  return subscribe((event) => {
    const line = lineOf(event);
    if (line !== undefined) console.log(line);
  });
}

/** The line for an event, where it has one. */
export function lineOf({ type, name, data }: HoldfastEvent): string | undefined {
  const { id, attempts, error, count, reason, task, hook } = data;
  switch (type) {
    case 'job.dead':
      return `event ${String(id).split(':', 1)[0]} failed after ${String(attempts)} attempt${attempts === 1 ? '' : 's'}: ${describe(causeOf(error))}`;
    case 'queue.dropped':
      return data['why'] === 'disposed' ? `${String(count)} events stay queued in the store` : undefined;
    case 'circuit.opened':
      return `${name}: circuit opened (${String(reason)})`;
    case 'circuit.closed':
      return `${name}: circuit closed`;
    case 'task.failed':
      return `task ${String(task)} failed: ${describe(error)}`;
    case 'service.hook-failed':
      return `${String(hook)} failed: ${describe(error)}`; // at the shutdown, or at a start that it ends
    case 'job.unsettled':
    case 'queue.loop-stopped':
    case 'pool.thread-crashed':
      return `${name}: ${type}: ${describe(error)}`;
    default:
      return undefined;
  }
}

/** What a verdict on an attempt was given for. */
function causeOf(error: unknown): unknown {
  return (error instanceof Error ? error.cause : undefined) ?? error;
}
