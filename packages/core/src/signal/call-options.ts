/** The check of what every call accepts. It stands apart from contexts, for those who make none. */
import { checkObject, invalidType } from '../options/checks.ts';
import type { CallOptions } from './work-context.ts';

/** Checks the options every call shares. */
export function checkCallOptions(options: CallOptions): void {
  checkObject('options', options);
  const { signal, deadline } = options;
  if (signal !== undefined && !canAbort(signal)) throw invalidType('signal', 'an AbortSignal', signal);
  if (deadline !== undefined && typeof Object(deadline).toError !== 'function')
    throw invalidType('deadline', 'a Deadline', deadline);
}

/** By its methods, for signals may come from another realm. */
function canAbort(signal: unknown): boolean {
  const { addEventListener, throwIfAborted } = Object(signal);
  return typeof addEventListener === 'function' && typeof throwIfAborted === 'function';
}
