/** Work begins here, so that a synchronous throw is a rejection everywhere. */
import type { Work } from './work-context.ts';

/** Calls `fn`; a promise of its own is handed through. */
export function start<T, C>(fn: Work<T, C>, context: C): Promise<T> {
  try {
    return Promise.resolve(fn(context));
  } catch (error) {
    return Promise.reject(error);
  }
}
