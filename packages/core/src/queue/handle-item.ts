/**
 * How a consumer works on one item: once or with retries, with or without a time-out, each start with a context of its own. The
 * loop and the caller abort it through its run; what it gave up is on its execution, so that a slot is not free too early.
 */
import { checkFunction, checkOptions, checkTimeoutMs } from '../options/checks.ts';
import { budgetOf } from '../resilience/retry-budget.ts';
import { checkRetryOptions, type RetryOptions } from '../resilience/retry-options.ts';
import { retry, type RetryCallOptions } from '../resilience/retry.ts';
import { call } from '../signal/call.ts';
import { earliest, type Deadline } from '../signal/deadline.ts';
import { EXECUTION, executionOf, type Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import {
  createContext,
  extendContext,
  type AttemptContext,
  type Awaitable,
  type SignalSource,
} from '../signal/work-context.ts';
import type { Item } from './item.ts';

/** What a handler is given beside the item. */
export interface ItemContext extends AttemptContext {
  /** When the queue admitted the item. */
  readonly enqueuedAt: Date;
  /** How long it was in the queue, in milliseconds. */
  readonly queueDelayMs: number;
}

/** Handles one item. */
export type ItemHandler<T> = (value: T, ctx: ItemContext) => Awaitable<void>;

/** How long an item may take, and how often it is tried. */
export interface HandleOptions {
  /**
   * Longest time one item may take, retries included, in milliseconds. Its slot is free when its handler has settled.
   *
   * @default Infinity
   */
  readonly timeoutMs?: number | undefined;
  /** Runs the handler of an item again while it fails; the item has failed when retries run out. @default none */
  readonly retry?: RetryOptions | undefined;
}

/** One item in hand. Its signal exists when somebody reads it. */
export class ItemRun<T> extends LazyAbort {
  readonly item: Item<T>;
  readonly execution: Execution;
  /** Which start of the handler is the last one, counted from 1. */
  attempt = 1;

  constructor(item: Item<T>, execution: Execution) {
    super();
    this.item = item;
    this.execution = execution;
  }
}

/** The handler of a consumer, with its limits. */
export class ItemWork<T> {
  readonly #what: string;
  readonly #handler: ItemHandler<T>;
  readonly #deadline: Deadline | undefined;
  readonly #timeoutMs: number;
  readonly #retry: RetryCallOptions | undefined;

  /** @throws TypeError, RangeError on bad options. */
  constructor(
    queue: string,
    handler: ItemHandler<T>,
    options: HandleOptions,
    deadline: Deadline | undefined,
  ) {
    checkFunction('handler', handler);
    this.#what = `An item of queue "${queue}"`;
    this.#handler = handler;
    this.#deadline = deadline;
    this.#timeoutMs = checkTimeoutMs('timeoutMs', options.timeoutMs ?? Infinity);
    if (options.retry === undefined) return;
    checkOptions('retry', options.retry);
    // one budget for all items
    checkRetryOptions(options.retry);
    this.#retry = { ...options.retry, budget: budgetOf(options.retry.budget) };
  }

  /** Runs the handler. Never throws. */
  run(run: ItemRun<T>): Promise<void> {
    if (run.aborted) return Promise.reject(run.reason);
    const { execution } = run;
    if (this.#timeoutMs === Infinity) return this.#attempts(run, run, undefined, execution);
    return call((ctx) => this.#attempts(run, ctx, ctx.deadline, execution), {
      signal: run.signal,
      timeoutMs: this.#timeoutMs,
      name: this.#what,
      execution,
    });
  }

  /** What one start is given, and whoever is told of its failure. */
  context(
    run: ItemRun<T>,
    source: SignalSource = run,
    deadline: Deadline | undefined = this.#deadline,
    execution: Execution | undefined = run.execution,
  ): ItemContext {
    const { attempt, item } = run;
    const { enqueuedAt, queueDelayMs } = item;
    return extendContext(createContext(source, deadline, execution), { attempt, enqueuedAt, queueDelayMs });
  }

  #attempts(
    run: ItemRun<T>,
    source: SignalSource,
    timeout: Deadline | undefined,
    execution: Execution,
  ): Promise<void> {
    const deadline = earliest(timeout, this.#deadline);
    if (this.#retry === undefined) return this.#attempt(run, source, deadline, execution);
    const options = { ...this.#retry, signal: source.signal, deadline, [EXECUTION]: execution };
    return retry((ctx) => {
      run.attempt = ctx.attempt;
      return this.#attempt(run, ctx, ctx.deadline, executionOf(ctx));
    }, options);
  }

  #attempt(
    run: ItemRun<T>,
    source: SignalSource,
    deadline: Deadline | undefined,
    execution: Execution | undefined,
  ): Promise<void> {
    try {
      return Promise.resolve(this.#handler(run.item.value, this.context(run, source, deadline, execution)));
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
