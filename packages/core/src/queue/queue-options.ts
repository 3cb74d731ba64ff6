/** How a queue is made: its options, checked once and complete. */
import {
  checkDelayMs,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptionalFunction,
  checkOptions,
} from '../options/checks.ts';
import type { BacklogLimits } from './backlog.ts';
import type { DropListener } from './drops.ts';

/** What happens to a put that finds no room: it waits, rejects, is dropped itself, or drops the oldest item. */
export type Overflow = 'wait' | 'reject' | 'drop-newest' | 'drop-oldest';

/** How a queue is made. */
export interface BoundedQueueOptions<T> {
  /** Names it in events, errors, statistics and health. @default 'queue' */
  readonly name?: string | undefined;
  /** How many items it holds at most: a whole number, or `Infinity`. With 0 every put waits for a take. */
  readonly capacity: number;
  /**
   * What happens to a put that finds the queue full. Dropping resolves it; `drop-oldest` at capacity 0 drops the newest.
   *
   * @default 'wait'
   */
  readonly overflow?: Overflow | undefined;
  /** An item that was in the queue for longer is dropped in place of being taken, in milliseconds. @default Infinity */
  readonly maxQueueDelayMs?: number | undefined;
  /** While the oldest item is older, in milliseconds, the newest is taken first, so that some are in time. @default Infinity */
  readonly lifoWhenDelayAboveMs?: number | undefined;
  /**
   * Receives every dropped item, in the asynchronous context of whoever made the queue.
   *
   * @default one console warning until the takers have caught up
   */
  readonly onDrop?: DropListener<T> | undefined;
}

/** Options that have been checked. */
export interface QueueSettings<T> extends BacklogLimits {
  readonly name: string;
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly onDrop: DropListener<T> | undefined;
}

const KEYS = ['name', 'capacity', 'overflow', 'maxQueueDelayMs', 'lifoWhenDelayAboveMs', 'onDrop'];
const OVERFLOWS: readonly Overflow[] = ['wait', 'reject', 'drop-newest', 'drop-oldest'];

/** @throws TypeError, RangeError */
export function checkQueueOptions<T>(options: BoundedQueueOptions<T>): QueueSettings<T> {
  checkOptions('options', options, KEYS);
  const { name = 'queue', capacity, overflow = 'wait', onDrop } = options;
  const { maxQueueDelayMs = Infinity, lifoWhenDelayAboveMs = Infinity } = options;
  checkOptionalFunction('onDrop', onDrop);
  return {
    name: checkName('name', name),
    capacity: checkInteger('capacity', capacity, 0, true),
    overflow: checkOneOf('overflow', overflow, OVERFLOWS),
    maxQueueDelayMs: checkDelayMs('maxQueueDelayMs', maxQueueDelayMs, true),
    lifoWhenDelayAboveMs: checkDelayMs('lifoWhenDelayAboveMs', lifoWhenDelayAboveMs, true),
    onDrop,
  };
}
