/** Where the record of an execution is found. It stands apart from the record, for those who only hand it on. */
import type { Execution } from './execution.ts';

/** Key of the record on a context. */
export const EXECUTION: unique symbol = Symbol('holdfast.execution');

/** The execution that a context or options object belongs to. */
export function executionOf(options: object | undefined): Execution | undefined {
  return options === undefined ? undefined : Reflect.get(options, EXECUTION);
}
