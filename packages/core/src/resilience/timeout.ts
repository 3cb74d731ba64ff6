/**
 * A limit on how long a call may take. When it is over the caller is let go at once and the work is told by its signal; work
 * that does not listen goes on, unobserved and counted. A caller's own abort is never reported as a time-out.
 */
import { checkFunction, checkName, checkOneOf, checkOptions, checkTimeoutMs } from '../options/checks.ts';
import { call } from '../signal/call.ts';
import { executionOf } from '../signal/execution.ts';
import { checkCallOptions, type CallOptions, type Work } from '../signal/work-context.ts';

/** How a call is limited. */
export interface TimeoutOptions extends CallOptions {
  /** Longest time the call may take, in milliseconds; `Infinity` for no limit of its own. */
  readonly timeoutMs: number;
  /** Whether a call that is over rejects at once, or only when its work has settled. @default 'at-once' */
  readonly settle?: 'at-once' | 'when-done' | undefined;
  /** Names it in events and errors. @default 'The call' */
  readonly name?: string | undefined;
}

/**
 * Runs `fn` for at most `timeoutMs` milliseconds, or until the deadline, whichever is sooner.
 *
 * @example
 * const rows = await withTimeout(({ signal }) => query(sql, { signal }), { timeoutMs: 500, ...scope });
 *
 * @throws TimeoutError of kind `total`, or `deadline` where that came first; the signal's reason when it aborts.
 * @throws TypeError, RangeError (as rejections) on bad options.
 */
export function withTimeout<T>(fn: Work<T>, options: TimeoutOptions): Promise<T> {
  try {
    checkFunction('fn', fn);
    checkOptions('options', options);
    checkCallOptions(options);
    const { signal, deadline, timeoutMs, settle = 'at-once', name } = options;
    checkTimeoutMs('timeoutMs', timeoutMs);
    checkOneOf('settle', settle, ['at-once', 'when-done']);
    if (name !== undefined) checkName('name', name);
    return call(fn, { signal, deadline, timeoutMs, settle, name, execution: executionOf(options) });
  } catch (error) {
    return Promise.reject(error);
  }
}
