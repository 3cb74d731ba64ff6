/** The mark of Holdfast errors, by which they are known across copies of the package without importing a class. */

/** Marks Holdfast errors; a refusal, which was made before anything was run, says so. */
export const HOLDFAST_ERROR: unique symbol = Symbol.for('holdfast.error');

/** Whether `error` is our own refusal, made before anything was run: no breaker counts it, no attempt was spent. */
export function isRefusal(error: unknown): error is Error {
  return Object(error)[HOLDFAST_ERROR] === 'refusal';
}
