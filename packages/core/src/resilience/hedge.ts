/**
 * Starts a second attempt when the first takes longer than usual, and lets the slower one go. It makes the slowest calls faster at
 * the price of a little more load. The trap: the same work may run twice at the same time, to the end.
 */
import { emit, observed } from '../events/bus.ts';
import { checkDelayMs, checkFunction, checkInteger, checkName, invalidType } from '../options/checks.ts';
import { now } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import type { Deadline } from '../signal/deadline.ts';
import { executionOf, type Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { PatientTimer } from '../signal/patient-timer.ts';
import { Timer } from '../signal/timer.ts';
import { start } from '../signal/start.ts';
import {
  checkCallOptions,
  createContext,
  extendContext,
  type AttemptContext,
  type CallOptions,
  type Work,
} from '../signal/work-context.ts';
import { LatencyQuantile } from './latency-quantile.ts';
import type { RetryBudget } from './retry-budget.ts';

/** When a call is hedged. */
export interface HedgeOptions extends CallOptions {
  /** How long an attempt may take before the next is started, in milliseconds, or who knows that. */
  readonly delayMs: number | LatencyQuantile;
  /** How many attempts may be started beside the first. @default 1 */
  readonly maxHedges?: number | undefined;
  /** Limits hedges to a share of calls; where nothing is left the attempts that run go on alone. @default none */
  readonly budget?: RetryBudget | undefined;
  /** Names it in events and errors. @default 'hedge' */
  readonly name?: string | undefined;
}

/**
 * Runs `fn`, runs it again beside itself while it takes longer than `delayMs`, and gives the first success.
 *
 * @example
 * const usual = new LatencyQuantile({ quantile: 0.95 });
 * const page = await hedge(({ signal }) => fetchPage(url, signal), { delayMs: usual, ...scope });
 *
 * @throws the last error, when all attempts have failed; the signal's reason at once when it aborts.
 * @throws TimeoutError of kind `deadline`.
 * @throws TypeError, RangeError (as rejections) on bad options.
 */
export function hedge<T>(fn: Work<T, AttemptContext>, options: HedgeOptions): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    checkFunction('fn', fn);
    checkCallOptions(options);
    const { delayMs, maxHedges = 1, budget, name = 'hedge', signal, deadline } = options;
    if (!(delayMs instanceof LatencyQuantile)) checkDelayMs('delayMs', delayMs);
    checkInteger('maxHedges', maxHedges, 0, true);
    checkName('name', name);
    if (budget !== undefined && typeof Object(budget).spend !== 'function')
      throw invalidType('budget', 'a RetryBudget', budget);
    signal?.throwIfAborted();
    if (deadline?.expired) throw deadline.toError(name, 0);
    budget?.deposit();
    new HedgeRun(fn, { ...options, signal, deadline, maxHedges, name }, executionOf(options), {
      resolve,
      reject,
    }).begin();
  });
}

interface Attempt<T> {
  readonly number: number;
  readonly startedAt: number;
  readonly abort: LazyAbort;
  work: Promise<T> | undefined;
}

interface Caller<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

class HedgeRun<T> implements AbortListener {
  readonly #fn: Work<T, AttemptContext>;
  readonly #options: HedgeOptions & { readonly name: string; readonly maxHedges: number };
  readonly #execution: Execution | undefined;
  readonly #caller: Caller<T>;
  readonly #running: Set<Attempt<T>> = new Set<Attempt<T>>();
  readonly #delay: Timer = new Timer();
  readonly #limit: PatientTimer = new PatientTimer();
  #started = 0;
  #over = false;

  constructor(
    fn: Work<T, AttemptContext>,
    options: HedgeOptions & { readonly name: string; readonly maxHedges: number },
    execution: Execution | undefined,
    caller: Caller<T>,
  ) {
    this.#fn = fn;
    this.#options = options;
    this.#execution = execution;
    this.#caller = caller;
  }

  begin(): void {
    const { signal, deadline, name } = this.#options;
    if (signal !== undefined) linkAbort(signal, this);
    if (deadline !== undefined) {
      const givenMs = deadline.remainingMs;
      this.#limit.until(deadline, () => this.onAbort(deadline.toError(name, givenMs)));
    }
    this.#start(deadline);
  }

  /** The caller leaves, or its time is over. */
  onAbort(reason: unknown): void {
    this.#end(reason, () => this.#caller.reject(reason));
  }

  #start(deadline: Deadline | undefined): void {
    this.#started += 1;
    const attempt: Attempt<T> = {
      number: this.#started,
      startedAt: now(),
      abort: new LazyAbort(),
      work: undefined,
    };
    this.#running.add(attempt);
    const context = extendContext(createContext(attempt.abort, deadline, this.#execution), {
      attempt: attempt.number,
    });
    const work = start(this.#fn, context);
    attempt.work = work;
    work.then(
      (value) => this.#succeeded(attempt, value),
      (error: unknown) => this.#failed(attempt, error),
    );
    if (this.#over) this.#execution?.abandon(work);
    else this.#wait(deadline);
  }

  /** Waits for as long as an attempt usually takes. */
  #wait(deadline: Deadline | undefined): void {
    const { delayMs, maxHedges, budget, name } = this.#options;
    const usualMs = typeof delayMs === 'number' ? delayMs : delayMs.delayMs;
    if (usualMs === undefined || this.#started > maxHedges) return;
    this.#delay.set(usualMs, () => {
      if (budget?.spend() === false) {
        emit('hedge.refused', name, { reason: 'budget' });
        return;
      }
      if (observed()) emit('hedge.started', name, { attempt: this.#started + 1, delayMs: usualMs });
      this.#start(deadline);
    });
  }

  #succeeded(attempt: Attempt<T>, value: T): void {
    if (this.#over) return;
    const { delayMs, name } = this.#options;
    this.#running.delete(attempt);
    if (delayMs instanceof LatencyQuantile) {
      delayMs.record(now() - attempt.startedAt);
      // what has lost would have taken at least as long
      for (const { startedAt } of this.#running) delayMs.record(now() - startedAt);
    }
    if (this.#started > 1 && observed()) emit('hedge.won', name, { attempt: attempt.number });
    this.#end(undefined, () => this.#caller.resolve(value));
  }

  #failed(attempt: Attempt<T>, error: unknown): void {
    if (this.#over) return;
    this.#running.delete(attempt);
    if (this.#running.size === 0 || Object(error).retryable === false)
      this.#end(undefined, () => this.#caller.reject(error));
  }

  /** Ends all that runs: with the reason given, or because another attempt has settled it. */
  #end(reason: unknown, settle: () => void): void {
    const { signal } = this.#options;
    this.#over = true;
    this.#delay.clear();
    this.#limit.clear();
    if (signal !== undefined) unlinkAbort(signal, this);
    for (const { abort, work } of this.#running) {
      abort.abort(reason ?? new DOMException('Another attempt has settled the call', 'AbortError'));
      if (work !== undefined) this.#execution?.abandon(work);
    }
    settle();
  }
}
