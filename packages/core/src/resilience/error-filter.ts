/** Which errors something applies to: classes, or a predicate that may be asynchronous. */
import { checkType } from '../options/checks.ts';
import type { Awaitable } from '../signal/work-context.ts';

/** A class of errors, abstract ones included. */
export type ErrorClass = abstract new (...args: never) => Error;

/** Errors of one of these classes, or those that the predicate answers true for. */
export type ErrorFilter = readonly ErrorClass[] | ((error: unknown) => Awaitable<boolean>);

/** Checks an option that takes a filter. */
export function checkErrorFilter(option: string, value: unknown): void {
  for (const one of Array.isArray(value) ? value : [value]) checkType(option, one, 'function');
}

/** Whether the filter applies to `error`. A predicate may throw. */
export function matches(filter: ErrorFilter, error: unknown): Awaitable<boolean> {
  return typeof filter === 'function' ? filter(error) : filter.some((one) => error instanceof one);
}
