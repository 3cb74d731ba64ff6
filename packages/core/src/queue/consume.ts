/**
 * The consumer of a queue: runs a handler for each item, so many at a time, until it is stopped or the queue is closed and empty.
 * A handler that fails never ends the loop in silence. A slot is held until its handler has really settled, also after a
 * time-out. The handler runs in the asynchronous context of the put that brought the item.
 */
import { emit, observed } from '../events/bus.ts';
import {
  checkDelayMs,
  checkFunction,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkTimeoutMs,
} from '../options/checks.ts';
import { RetryPlan, type RetryOptions } from '../resilience/retry-plan.ts';
import { retry } from '../resilience/retry.ts';
import { now, snapshotContext, type ContextSnapshot } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { earliest, type Deadline } from '../signal/deadline.ts';
import { EXECUTION, Execution, executionOf } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import {
  checkCallOptions,
  createContext,
  extendContext,
  type AttemptContext,
  type Awaitable,
  type CallOptions,
  type SignalSource,
} from '../signal/work-context.ts';
import { ADMITTED, Taker, type Channel } from './channel.ts';
import { Faults } from './faults.ts';
import type { Item } from './item.ts';
import { Loop, type LoopFault, type LoopHost, type QueueLoop } from './queue-loop.ts';

/** What a handler is given beside the item. */
export interface ItemContext extends AttemptContext {
  /** When the queue admitted the item. */
  readonly enqueuedAt: Date;
  /** How long it was in the queue, in milliseconds. */
  readonly queueDelayMs: number;
}

/** Handles one item. */
export type ItemHandler<T> = (value: T, ctx: ItemContext) => Awaitable<void>;

/** What a consumer does about a failed item: report it, end itself, or hand it to a function, such as a dead letter store. */
export type ConsumeErrorPolicy<T> =
  | 'continue'
  | 'stop'
  | ((error: unknown, value: T, ctx: ItemContext) => Awaitable<void>);

/** How a queue is consumed. The signal ends the loop and aborts its handlers. */
export interface ConsumeOptions<T> extends CallOptions {
  /** How many handlers run at a time; `Infinity` is allowed. @default 1 */
  readonly concurrency?: number | undefined;
  /** What becomes of a failed item. @default 'continue' */
  readonly onError?: ConsumeErrorPolicy<T> | undefined;
  /** How long a slot pauses after a failed item, in milliseconds. @default 0 */
  readonly errorDelayMs?: number | undefined;
  /**
   * Longest time one item may take, retries included, in milliseconds. Its slot is free when its handler has settled.
   *
   * @default Infinity
   */
  readonly timeoutMs?: number | undefined;
  /** Runs the handler of an item again while it fails; the item has failed when retries run out. @default none */
  readonly retry?: RetryOptions | undefined;
}

/** A consumer at work. */
export interface ConsumeLoop extends QueueLoop {
  /** How many handlers run at a time at most. */
  readonly concurrency: number;
  /**
   * Changes `concurrency`: more start at once, running handlers are never cut.
   *
   * @throws TypeError, RangeError
   */
  setConcurrency(concurrency: number): void;
}

/** What a consumer needs of its queue. */
export interface ConsumerHost<T> extends LoopHost {
  readonly channel: Channel<T>;
  /** An item left the hands of a consumer unfinished, because its handler was aborted. */
  lost(): void;
}

/** One item in hand. Its signal exists when somebody reads it. */
class Run<T> extends LazyAbort {
  readonly item: Item<T>;
  readonly execution: Execution;
  attempt = 1;

  constructor(item: Item<T>, execution: Execution) {
    super();
    this.item = item;
    this.execution = execution;
  }
}

/** The consumer's place in the line of takers. */
class Place<T> extends Taker<T> {
  readonly wants = 1;
  readonly serve: (item: Item<T>, inPut: boolean) => void;
  readonly end: () => void;

  constructor(serve: (item: Item<T>, inPut: boolean) => void, end: () => void) {
    super();
    this.serve = serve;
    this.end = end;
  }

  /** Neither is ever called: a consumer waits without limit, and watches its caller's signal itself. */
  giveUp(): void {}
  late(): void {}
}

/** Runs a handler for each item of a queue. */
export class Consumer<T> extends Loop<ConsumerHost<T>> implements ConsumeLoop {
  readonly name: string;
  readonly #handler: ItemHandler<T>;
  readonly #onError: ConsumeErrorPolicy<T>;
  readonly #errorDelayMs: number;
  readonly #timeoutMs: number;
  readonly #retry: RetryOptions | undefined;
  readonly #options: CallOptions;
  readonly #execution: Execution | undefined;
  readonly #context: ContextSnapshot;
  readonly #faults: Faults;
  readonly #place: Place<T>;
  readonly #runs: Set<Run<T>> = new Set<Run<T>>();
  readonly #pauses: Set<ReturnType<typeof setTimeout>> = new Set<ReturnType<typeof setTimeout>>();
  #concurrency: number;
  #fault: LoopFault | undefined;

  constructor(host: ConsumerHost<T>, handler: ItemHandler<T>, options: ConsumeOptions<T>) {
    checkFunction('handler', handler);
    checkCallOptions(options);
    const { concurrency = 1, onError = 'continue', errorDelayMs = 0, timeoutMs = Infinity, retry } = options;
    super(host, options);
    this.#concurrency = checkInteger('concurrency', concurrency, 1, true);
    this.#onError =
      typeof onError === 'function'
        ? onError
        : checkOneOf<'continue' | 'stop'>('onError', onError, ['continue', 'stop']);
    this.#errorDelayMs = checkDelayMs('errorDelayMs', errorDelayMs);
    this.#timeoutMs = checkTimeoutMs('timeoutMs', timeoutMs);
    if (retry !== undefined) {
      checkOptions('retry', retry);
      this.#retry = { ...retry, budget: new RetryPlan(retry).budget };
    }
    this.name = `consumer of queue "${host.channel.name}"`;
    this.#handler = handler;
    this.#options = options;
    this.#execution = executionOf(options);
    this.#context = snapshotContext();
    this.#faults = new Faults(host.channel.name);
    this.#place = new Place<T>(
      (item, inPut) => this.#served(item, inPut),
      () => this.#exhausted(),
    );
    this.begin();
    this.#pumpSoon();
  }

  get inFlight(): number {
    return this.#runs.size;
  }

  get unfinished(): number {
    return this.#runs.size;
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  setConcurrency(concurrency: number): void {
    this.#concurrency = checkInteger('concurrency', concurrency, 1, true);
    if (this.#free > 0) this.#pumpSoon();
    else this.host.channel.leave(this.#place);
  }

  protected onPause(): void {
    this.host.channel.leave(this.#place);
  }

  protected onResume(): void {
    this.#pumpSoon();
  }

  protected onHalt(): void {
    this.host.channel.leave(this.#place);
    for (const timer of this.#pauses) clearTimeout(timer);
    this.#pauses.clear();
    this.#endIfIdle();
  }

  protected onCancel(reason: unknown): void {
    for (const run of this.#runs) run.abort(reason);
  }

  get #free(): number {
    return this.#concurrency - this.#runs.size - this.#pauses.size;
  }

  /** Never inside the call that asked for it: a handler must not run before `consume` has returned the loop. */
  #pumpSoon(): void {
    void ADMITTED.then(() => this.#pump());
  }

  #pump(): void {
    const { channel } = this.host;
    while (this.taking && this.#free > 0 && this.#place.line === undefined) {
      // those who wait already come first
      const item = channel.waitingTakers > 0 ? undefined : channel.takeNext();
      if (item === undefined) channel.join(this.#place, {});
      else this.#start(item);
    }
  }

  #served(item: Item<T>, inPut: boolean): void {
    const run = this.#take(item);
    // inside the put its context is the current one, and a microtask keeps it
    if (inPut) void ADMITTED.then(() => this.#handle(run));
    else void ADMITTED.then(() => this.#inContext(run));
    if (this.taking && this.#free > 0) this.host.channel.join(this.#place, {});
  }

  #start(item: Item<T>): void {
    this.#inContext(this.#take(item));
  }

  #take(item: Item<T>): Run<T> {
    const run = new Run(item, new Execution(this.#execution, this.host.door?.owner));
    this.#runs.add(run);
    return run;
  }

  #inContext(run: Run<T>): void {
    const { context = this.#context } = run.item;
    context.runInAsyncScope((run: Run<T>) => this.#handle(run), undefined, run);
  }

  #handle(run: Run<T>): void {
    const startedAt = now();
    if (observed())
      emit('queue.item-started', this.host.channel.name, { queueDelayMs: run.item.queueDelayMs });
    this.#work(run).then(
      () => this.#succeeded(run, startedAt),
      (error: unknown) => this.#failed(run, error),
    );
  }

  #succeeded(run: Run<T>, startedAt: number): void {
    if (observed()) emit('queue.item-done', this.host.channel.name, { durationMs: now() - startedAt });
    this.#finish(run, false);
  }

  #work(run: Run<T>): Promise<void> {
    if (run.aborted) return Promise.reject(run.reason);
    const { execution } = run;
    if (this.#timeoutMs === Infinity) return this.#attempts(run, run, undefined, execution);
    return call((ctx) => this.#attempts(run, ctx, ctx.deadline, execution), {
      signal: run.signal,
      timeoutMs: this.#timeoutMs,
      name: `An item of queue "${this.host.channel.name}"`,
      execution,
    });
  }

  #attempts(
    run: Run<T>,
    source: SignalSource,
    timeout: Deadline | undefined,
    execution: Execution,
  ): Promise<void> {
    const deadline = earliest(timeout, this.#options.deadline);
    if (this.#retry === undefined) return this.#attempt(run, source, deadline, execution);
    const options = { ...this.#retry, signal: source.signal, deadline, [EXECUTION]: execution };
    return retry((ctx) => {
      run.attempt = ctx.attempt;
      return this.#attempt(run, ctx, ctx.deadline, executionOf(ctx));
    }, options);
  }

  #attempt(
    run: Run<T>,
    source: SignalSource,
    deadline: Deadline | undefined,
    execution: Execution | undefined,
  ): Promise<void> {
    try {
      return Promise.resolve(this.#handler(run.item.value, itemContext(run, source, deadline, execution)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #failed(run: Run<T>, error: unknown): void {
    const { name } = this.host.channel;
    const onError = this.#onError;
    if (run.aborted) {
      if (observed()) emit('queue.item-cancelled', name, { reason: run.reason });
      if (typeof onError !== 'function') this.host.lost();
    } else if (typeof onError === 'function') {
      if (observed()) emit('queue.item-failed', name, { error });
    } else {
      this.#faults.report('queue.item-failed', 'an item failed', { error });
      if (onError === 'stop') this.#stopWith(error);
    }
    if (typeof onError === 'function') this.#handOver(run, error, onError);
    else this.#finish(run, true);
  }

  /** To the caller's own function; where that fails the item is lost, but the loop goes on. */
  #handOver(run: Run<T>, error: unknown, onError: Exclude<ConsumeErrorPolicy<T>, string>): void {
    const ctx = itemContext(run, run, this.#options.deadline, run.execution);
    new Promise((resolve) => resolve(onError(error, run.item.value, ctx))).then(
      () => this.#finish(run, true),
      (fault: unknown) => {
        this.#faults.report('queue.item-failed', 'an error handler failed', { error: fault });
        if (run.aborted) this.host.lost();
        this.#finish(run, true);
      },
    );
  }

  #stopWith(error: unknown): void {
    if (!this.running) return;
    this.#fault = { error, fatal: true };
    this.#faults.stopped('the consumer stopped, because an item failed', error);
    this.halt(undefined);
  }

  /** The outcome is known; the slot is free once nothing of it runs any more. */
  #finish(run: Run<T>, failed: boolean): void {
    run.execution.whenSettled(() => {
      this.#runs.delete(run);
      if (failed && this.#errorDelayMs > 0 && this.running) this.#pauseSlot();
      this.#pump();
      this.#endIfIdle();
      this.host.settle();
    });
  }

  #pauseSlot(): void {
    const timer = setTimeout(() => {
      this.#pauses.delete(timer);
      this.#pump();
    }, this.#errorDelayMs);
    this.#pauses.add(timer);
  }

  /** The queue is closed and empty. */
  #exhausted(): void {
    this.halt(undefined);
  }

  #endIfIdle(): void {
    if (!this.running && this.#runs.size === 0) this.end(this.#fault);
  }
}

function itemContext<T>(
  run: Run<T>,
  source: SignalSource,
  deadline: Deadline | undefined,
  execution: Execution | undefined,
): ItemContext {
  const { attempt, item } = run;
  const { enqueuedAt, queueDelayMs } = item;
  return extendContext(createContext(source, deadline, execution), { attempt, enqueuedAt, queueDelayMs });
}
