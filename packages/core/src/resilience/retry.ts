/**
 * Runs work again while it fails: with growing, jittered waits, no longer than its deadline, and never for a caller who has left.
 * The outcome is the work's own value or its last error, the same object. The trap: what is retried must be safe to do twice.
 */
import { checkType } from '../options/checks.ts';
import { checkCallOptions } from '../signal/call-options.ts';
import { EXECUTION, executionOf } from '../signal/execution-key.ts';
import type { Execution } from '../signal/execution.ts';
import { spareContexts } from '../signal/spare-context.ts';
import type { AttemptContext, CallOptions, Work } from '../signal/work-context.ts';
import { makeAttempts, type Attempts } from './attempts.ts';
import type { RetryBudget } from './retry-budget.ts';
import { checkRetryOptions, type RetryOptions } from './retry-options.ts';

/** How one call is retried. A budget made for a single call would limit nothing, so it is an instance that others share. */
export interface RetryCallOptions extends RetryOptions, CallOptions {
  readonly budget?: RetryBudget | undefined;
}

const firstAttempt = /* @__PURE__ */ spareContexts({ attempt: 1 });

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
export async function retry<T>(fn: Work<T, AttemptContext>, options: RetryCallOptions = {}): Promise<T> {
  checkType('fn', fn, 'function');
  checkCallOptions(options);
  checkRetryOptions(options);
  const { signal, deadline, budget } = options;
  if (budget !== undefined) checkType('budget.spend', Object(budget).spend, 'function');
  signal?.throwIfAborted();
  if (deadline?.expired) throw deadline.toError(options.name ?? 'retry', 0);
  budget?.deposit();
  const execution = executionOf(options);
  let first: { readonly error: unknown } | undefined;
  // a first attempt that nothing can end needs nothing that could
  if (!signal && !deadline && !execution && !options.retryResultIf)
    try {
      return await fn(firstAttempt());
    } catch (error) {
      first = { error };
    }
  return makeAttempts(attemptsOf(fn, options, execution), options, options, first);
}

function attemptsOf<T>(
  fn: Work<T, AttemptContext>,
  { signal, deadline }: CallOptions,
  execution: Execution | undefined,
): Attempts<T> {
  let controller: AbortController | undefined;
  let running: Promise<T> | undefined;
  return {
    start(attempt) {
      const context = {
        get signal(): AbortSignal {
          if (signal && !deadline) return signal;
          controller ??= new AbortController();
          return controller.signal;
        },
        deadline,
        attempt,
        [EXECUTION]: execution,
      };
      return (running = Promise.resolve(fn(context)));
    },
    stop(reason) {
      controller ??= new AbortController();
      controller.abort(reason);
      if (running) execution?.abandon(running);
    },
  };
}
