/** One that waits to take. */
import { Waiter } from '../signal/wait-line.ts';
import type { Item } from './item.ts';

/** Waits for its turn; the channel says when that is. */
export abstract class Taker<T> extends Waiter {
  /** How many items there must be for its turn to come. */
  abstract get wants(): number;

  /** Its turn: the first item. `inPut` says that the call comes from inside the put that brought it. */
  abstract serve(item: Item<T>, inPut: boolean): void;

  /** There will be no item any more. */
  abstract end(error: unknown): void;
}
