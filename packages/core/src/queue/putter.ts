/** Those who wait for room, each with his item, first come, first served. */
import { QueueFullError } from '../errors/queue-errors.ts';
import { keepShape } from '../runtime.ts';
import { WaitLine, Waiter } from '../signal/wait-line.ts';
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

/** The line of those who wait for room. */
export class PutterLine<T> extends WaitLine<Putter<T>> {
  /** Lets the first one in at `at`; what becomes of his item is up to the caller. */
  admit(at: number): Item<T> | undefined {
    const putter = this.shift();
    if (putter === undefined) return undefined;
    putter.item.admit(at);
    putter.admitted();
    return putter.item;
  }

  /** Turns all away with `error`, but those who may still come in where `keep` is set. */
  refuse(error: unknown, keep: boolean): void {
    const kept: Putter<T>[] = [];
    for (let putter = this.shift(); putter !== undefined; putter = this.shift()) {
      if (keep && putter.kept) kept.push(putter);
      else putter.giveUp(error);
    }
    for (const putter of kept) this.join(putter, {}, Infinity);
  }
}

function nothing(): void {}

keepShape(
  new Putter({ name: '', capacity: 1 }, new Item(undefined, undefined, 0.5), false, nothing, nothing),
);
