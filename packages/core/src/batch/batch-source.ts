/**
 * The items of a batch, pulled one by one and never before there is a slot for them. Iterators of all kinds are asked by one at a
 * time, and told exactly once when nobody will ask again.
 */
import { invalidType } from '../options/checks.ts';
import { reportError } from '../runtime.ts';

/** Nothing comes any more. */
export const EXHAUSTED: unique symbol = Symbol('exhausted');

/** Reads something to iterate, synchronous or not. */
export class BatchSource<I> {
  /** Whether `pull` has to be awaited. */
  readonly asynchronous: boolean;
  readonly #iterator: Iterator<I> | AsyncIterator<I>;
  /** Where the items are an array, they are read by index: an iterator would make an object for each. */
  readonly #array: readonly I[] | undefined;
  #read = 0;
  #pulling = false;
  #done = false;

  /** @throws TypeError where `items` cannot be iterated. */
  constructor(items: Iterable<I> | AsyncIterable<I>) {
    this.#array = Array.isArray(items) ? items : undefined;
    if (typeof items === 'object' && items !== null && Symbol.asyncIterator in items) {
      this.asynchronous = true;
      this.#iterator = items[Symbol.asyncIterator]();
    } else if (items !== undefined && items !== null && typeof items[Symbol.iterator] === 'function') {
      this.asynchronous = false;
      this.#iterator = items[Symbol.iterator]();
    } else {
      throw invalidType('items', 'something to iterate', items);
    }
  }

  /** Whether nothing comes any more. */
  get done(): boolean {
    return this.#done;
  }

  /** Whether an answer is awaited. */
  get pulling(): boolean {
    return this.#pulling;
  }

  /** The next item of a synchronous source. Throws what the source throws, which ends it. */
  pull(): I | typeof EXHAUSTED {
    const array = this.#array;
    if (array !== undefined && this.#read < array.length) {
      this.#read += 1;
      // it is inside the array, and a hole in it is undefined to an iterator too
      return array[this.#read - 1] as I;
    }
    if (array !== undefined) {
      this.#done = true;
      return EXHAUSTED;
    }
    try {
      return this.#take(this.#iterator.next() as IteratorResult<I>);
    } catch (error) {
      this.#done = true;
      throw error;
    }
  }

  /** The next item of an asynchronous source; to be asked for by one at a time. */
  async pullAsync(): Promise<I | typeof EXHAUSTED> {
    this.#pulling = true;
    try {
      return this.#take(await this.#iterator.next());
    } catch (error) {
      this.#done = true;
      throw error;
    } finally {
      this.#pulling = false;
    }
  }

  /** Tells the source that nobody will ask again. Whoever waits for it waits for what the source still has to do then. */
  async close(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    try {
      const closing = this.#iterator.return?.();
      // one that is busy with its next item answers when it has it, which may be never
      if (this.#pulling) Promise.resolve(closing).catch(reportError);
      else await closing;
    } catch (error) {
      reportError(error);
    }
  }

  #take(result: IteratorResult<I>): I | typeof EXHAUSTED {
    if (!result.done) return result.value;
    this.#done = true;
    return EXHAUSTED;
  }
}
