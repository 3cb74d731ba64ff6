/**
 * The consumer of a queue: runs a handler for each item, so many at a time, until it is stopped or the queue is closed and empty.
 * A handler that fails never ends the loop in silence. A slot is held until its handler has really settled, also after a
 * time-out. The handler runs in the asynchronous context of the put that brought the item.
 */
import { emit, observed } from '../events/bus.ts';
import { checkDelayMs, checkInteger, checkOneOf } from '../options/checks.ts';
import { now, snapshotContext, yieldToLoop, type ContextSnapshot } from '../runtime.ts';
import { Execution, executionOf } from '../signal/execution.ts';
import { checkCallOptions, type Awaitable, type CallOptions } from '../signal/work-context.ts';
import { ADMITTED, type Channel } from './channel.ts';
import { FairShare } from './fair-share.ts';
import { Faults } from './faults.ts';
import { ItemRun, ItemWork, type HandleOptions, type ItemContext, type ItemHandler } from './handle-item.ts';
import type { Item } from './item.ts';
import { Loop, type LoopFault, type LoopHost, type QueueLoop } from './queue-loop.ts';
import { Taker } from './taker.ts';

/** What a consumer does about a failed item: report it, end itself, or hand it to a function, such as a dead letter store. */
export type ConsumeErrorPolicy<T> =
  | 'continue'
  | 'stop'
  | ((error: unknown, value: T, ctx: ItemContext) => Awaitable<void>);

/** How a queue is consumed. The signal ends the loop and aborts its handlers. */
export interface ConsumeOptions<T> extends CallOptions, HandleOptions {
  /** How many handlers run at a time; `Infinity` is allowed. @default 1 */
  readonly concurrency?: number | undefined;
  /** What becomes of a failed item. @default 'continue' */
  readonly onError?: ConsumeErrorPolicy<T> | undefined;
  /** How long a slot pauses after a failed item, in milliseconds. @default 0 */
  readonly errorDelayMs?: number | undefined;
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
  /** Whether everything was cancelled. */
  readonly cancelled: boolean;
  /** An item that had been admitted will not be finished. */
  lost(): void;
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
  readonly kind = 'consumer';
  readonly #work: ItemWork<T>;
  readonly #onError: ConsumeErrorPolicy<T>;
  readonly #errorDelayMs: number;
  readonly #execution: Execution | undefined;
  readonly #context: ContextSnapshot;
  readonly #faults: Faults;
  readonly #place: Place<T>;
  readonly #runs: Set<ItemRun<T>> = new Set<ItemRun<T>>();
  readonly #pauses: Set<ReturnType<typeof setTimeout>> = new Set<ReturnType<typeof setTimeout>>();
  readonly #share: FairShare = new FairShare();
  #resting = false;
  #concurrency: number;
  #fault: LoopFault | undefined;

  constructor(host: ConsumerHost<T>, handler: ItemHandler<T>, options: ConsumeOptions<T>) {
    checkCallOptions(options);
    const work = new ItemWork(host.name, handler, options, options.deadline);
    const { concurrency = 1, onError = 'continue', errorDelayMs = 0 } = options;
    super(host, options);
    this.#work = work;
    this.#concurrency = checkInteger('concurrency', concurrency, 1, true);
    this.#onError =
      typeof onError === 'function'
        ? onError
        : checkOneOf<'continue' | 'stop'>('onError', onError, ['continue', 'stop']);
    this.#errorDelayMs = checkDelayMs('errorDelayMs', errorDelayMs);
    this.#execution = executionOf(options);
    this.#context = snapshotContext();
    this.#faults = new Faults(host.name);
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
    while (this.taking && !this.#resting && this.#free > 0 && this.#place.line === undefined) {
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

  #take(item: Item<T>): ItemRun<T> {
    const run = new ItemRun(item, new Execution(this.#execution, this.host.door?.owner));
    this.#runs.add(run);
    return run;
  }

  #inContext(run: ItemRun<T>): void {
    const { context = this.#context } = run.item;
    context.runInAsyncScope((run: ItemRun<T>) => this.#handle(run), undefined, run);
  }

  #handle(run: ItemRun<T>): void {
    const startedAt = observed() ? now() : 0;
    if (observed()) emit('queue.item-started', this.host.name, { queueDelayMs: run.item.queueDelayMs });
    this.#work.run(run).then(
      () => this.#succeeded(run, startedAt),
      (error: unknown) => this.#failed(run, error),
    );
  }

  #succeeded(run: ItemRun<T>, startedAt: number): void {
    if (observed()) emit('queue.item-done', this.host.name, { durationMs: now() - startedAt });
    this.#finish(run, false);
  }

  #failed(run: ItemRun<T>, error: unknown): void {
    const { name } = this.host.channel;
    const onError = this.#onError;
    if (run.aborted) {
      if (observed()) emit('queue.item-cancelled', name, { reason: run.reason });
      if (typeof onError !== 'function') this.#lose();
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
  #handOver(run: ItemRun<T>, error: unknown, onError: Exclude<ConsumeErrorPolicy<T>, string>): void {
    const ctx = this.#work.context(run);
    new Promise((resolve) => resolve(onError(error, run.item.value, ctx))).then(
      () => this.#finish(run, true),
      (fault: unknown) => {
        this.#faults.report('queue.item-failed', 'an error handler failed', { error: fault });
        if (run.aborted) this.#lose();
        this.#finish(run, true);
      },
    );
  }

  /** Aborted by the caller of `consume`, it is his; aborted with the queue, it is counted as left. */
  #lose(): void {
    if (this.host.cancelled) this.host.lost();
  }

  #stopWith(error: unknown): void {
    if (!this.running) return;
    this.#fault = { error, fatal: true };
    this.#faults.stopped('the consumer stopped, because an item failed', error);
    this.halt(undefined);
  }

  /** The outcome is known; the slot is free once nothing of it runs any more. */
  #finish(run: ItemRun<T>, failed: boolean): void {
    run.execution.whenSettled(() => {
      this.#runs.delete(run);
      if (failed && this.#errorDelayMs > 0 && this.running) this.#pauseSlot();
      if (this.#share.spent) void this.#rest();
      this.#pump();
      this.#endIfIdle();
      this.host.settle();
    });
  }

  async #rest(): Promise<void> {
    this.#resting = true;
    await yieldToLoop();
    this.#resting = false;
    this.#share.renew();
    this.#pump();
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
