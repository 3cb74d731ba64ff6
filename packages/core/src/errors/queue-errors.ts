/** What a queue answers when it cannot take an item. */
import { Refusal } from './holdfast-error.ts';

/** The queue had no room within the time given (code `QUEUE_FULL`). The item was not accepted. */
export class QueueFullError extends Refusal {
  override readonly name = 'QueueFullError';
  override readonly code = 'QUEUE_FULL';
  /** Name of the queue. */
  readonly queue: string;
  /** How many items it holds at most. */
  readonly capacity: number;

  constructor(queue: string, capacity: number, retryAfterMs?: number) {
    super(`Queue "${queue}" is full (capacity ${capacity})`, { retryAfterMs });
    this.queue = queue;
    this.capacity = capacity;
  }
}

/** The queue is closed: it accepts no item, and has none left to give (code `QUEUE_CLOSED`). */
export class QueueClosedError extends Refusal {
  override readonly name = 'QueueClosedError';
  override readonly code = 'QUEUE_CLOSED';
  /** Name of the queue. */
  readonly queue: string;

  constructor(queue: string) {
    super(`Queue "${queue}" is closed`, { retryable: false });
    this.queue = queue;
  }
}
