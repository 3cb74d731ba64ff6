/** One that waits for room, with its item. */
import { QueueFullError } from '../errors/queue-errors.ts';
import { keepShape } from '../runtime.ts';
import { Waiter } from '../signal/wait-line.ts';
import { Item } from './item.ts';

/** Which queue it waits for. */
export interface PuttersQueue {
  readonly name: string;
  readonly capacity: number;
}

/** Waits for room. */
export class Putter<T> extends Waiter {
  readonly item: Item<T>;
  /** Whether it may still come in after a close: it was pulled by a loop of the queue's own. */
  readonly kept: boolean;
  readonly admitted: () => void;
  readonly giveUp: (error: unknown) => void;
  readonly #queue: PuttersQueue;

  constructor(
    queue: PuttersQueue,
    item: Item<T>,
    kept: boolean,
    admitted: () => void,
    refused: (error: unknown) => void,
  ) {
    super();
    this.#queue = queue;
    this.item = item;
    this.kept = kept;
    this.admitted = admitted;
    this.giveUp = refused;
  }

  late(): void {
    this.giveUp(new QueueFullError(this.#queue.name, this.#queue.capacity));
  }
}

function nothing(): void {}

keepShape(
  new Putter({ name: '', capacity: 1 }, new Item(undefined, undefined, 0.5), false, nothing, nothing),
);
