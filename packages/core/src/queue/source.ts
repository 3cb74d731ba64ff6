/**
 * Where a producer gets its items: something to iterate, or a function to ask again and again. Both become one thing that is
 * asked for the next item; only iterating has an end, and only asking can answer that there is nothing now.
 */
import { invalidType } from '../options/checks.ts';
import type { Awaitable, Work, WorkContext } from '../signal/work-context.ts';

/** What a producer takes items from. For a function `undefined` means nothing now; something to iterate may hold it as an item. */
export type Source<T> = AsyncIterable<T> | Iterable<T> | Work<T | undefined>;

/** Nothing now. */
export const NOTHING: unique symbol = Symbol('nothing');
/** Nothing ever again. */
export const FINISHED: unique symbol = Symbol('finished');

/** A source while it is read. */
export interface Feed<T> {
  /** Whether it is a function that was given a signal, and so can be expected to come back when told. */
  readonly polled: boolean;
  next(): Awaitable<T | typeof NOTHING | typeof FINISHED>;
  /** It will not be asked again. */
  close(): Awaitable<unknown>;
}

/**
 * Begins to read a source.
 *
 * @throws TypeError where it is none.
 */
export function feedOf<T>(source: Source<T>, context: () => WorkContext): Feed<T> {
  if (typeof source === 'function') return polled(source, context);
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return iterated(source[Symbol.asyncIterator]());
    if (Symbol.iterator in source) return iterated(source[Symbol.iterator]());
  }
  throw invalidType('source', 'a function or something to iterate', source);
}

function polled<T>(fn: Work<T | undefined>, context: () => WorkContext): Feed<T> {
  return {
    polled: true,
    async next() {
      const value = await fn(context());
      return value === undefined ? NOTHING : value;
    },
    close() {},
  };
}

function iterated<T>(iterator: AsyncIterator<T> | Iterator<T>): Feed<T> {
  return {
    polled: false,
    async next() {
      const result = await iterator.next();
      return result.done ? FINISHED : result.value;
    },
    async close() {
      await iterator.return?.();
    },
  };
}
