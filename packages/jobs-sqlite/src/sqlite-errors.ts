/** What SQLite's result codes mean to a queue. */
import { EngineUnavailableError } from '@holdfast/core';

const BUSY = 5;
const LOCKED = 6;
/** Read-only, I/O error, corrupt, full, cannot open, not a database: nothing was written, and nothing will be for now. */
const UNUSABLE: ReadonlySet<number> = new Set<number>([8, 10, 11, 13, 14, 26]);

/** Whether somebody else holds the lock: trying again soon helps. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** The error as a caller of a queue knows it. */
export function translate(error: unknown): unknown {
  const code = primaryCode(error);
  if (code === undefined || !(UNUSABLE.has(code) || isBusy(error))) return error;
  return new EngineUnavailableError(
    `SQLite: ${error instanceof Error ? error.message : String(error)}`,
    error,
  );
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const code: unknown = Reflect.get(error, 'errcode');
  // the upper bits tell kinds of one error apart
  return typeof code === 'number' ? code & 0xff : undefined;
}
