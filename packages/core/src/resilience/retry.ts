/**
 * Runs work again while it fails: with growing, jittered waits, no longer than its deadline, and never for a caller who has left.
 * The outcome is the work's own value or its last error, the same object. The trap: what is retried must be safe to do twice.
 */
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkFunction } from '../options/checks.ts';
import { executionOf } from '../signal/execution.ts';
import {
  checkCallOptions,
  type AttemptContext,
  type CallOptions,
  type Work,
} from '../signal/work-context.ts';
import { RetryPlan, type RetryOptions } from './retry-plan.ts';
import { RetryRun, firstAttempt, type RunOptions } from './retry-run.ts';

/**
 * Runs `fn`, and runs it again up to `maxRetries` times while it fails.
 *
 * @example
 * const data = await retry(({ signal }) => fetchJson(url, signal), { maxRetries: 5, baseDelayMs: 1_000, ...scope });
 *
 * @throws the last error of `fn` itself, whichever made it stop; the signal's reason at once when it aborts.
 * @throws TimeoutError of kind `deadline` when that passes while `fn` runs; a wait that would not end in time is not begun.
 * @throws TypeError, RangeError (as rejections) on bad options.
 */
export function retry<T>(fn: Work<T, AttemptContext>, options: RetryOptions & CallOptions = {}): Promise<T> {
  try {
    checkFunction('fn', fn);
    checkCallOptions(options);
    const plan = new RetryPlan(options);
    const { signal, deadline } = options;
    signal?.throwIfAborted();
    if (deadline?.expired) throw new TimeoutError(plan.name, 'deadline', 0);
    plan.budget?.deposit();
    const run: RunOptions = { signal, deadline, execution: executionOf(options) };
    if (signal === undefined && deadline === undefined && run.execution === undefined && !plan.retryResultIf)
      return simply(fn, run, plan);
    return new Promise((resolve, reject) => new RetryRun(fn, run, plan, { resolve, reject }).begin());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Where nothing can end the first attempt, a success costs little more than the work itself. */
function simply<T>(fn: Work<T, AttemptContext>, run: RunOptions, plan: RetryPlan): Promise<T> {
  const goOn = (error: unknown): Promise<T> =>
    new Promise((resolve, reject) => new RetryRun(fn, run, plan, { resolve, reject }).resume(error));
  try {
    return Promise.resolve(fn(firstAttempt.get())).then(undefined, goOn);
  } catch (error) {
    return goOn(error);
  }
}
