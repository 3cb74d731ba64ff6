/**
 * The engine of `runBatch` and `streamBatch`: pulls an item whenever a slot is free, runs the work, and tells a sink each outcome
 * exactly once. An abort stops the pulling and aborts the work; the run is over when every item that was pulled has its outcome.
 * A slot stays taken until its work has really settled, also after a time-out.
 */
import { SiblingFailedError } from '../errors/lifecycle-errors.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkBoolean, checkFunction, checkInteger, checkName, checkTimeoutMs } from '../options/checks.ts';
import { FairShare } from '../queue/fair-share.ts';
import { yieldToLoop } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import type { Deadline } from '../signal/deadline.ts';
import { Execution, executionOf } from '../signal/execution.ts';
import { checkCallOptions, type CallOptions } from '../signal/work-context.ts';
import { BatchItems, type BatchWork } from './batch-items.ts';
import { BatchSource, EXHAUSTED } from './batch-source.ts';

/** How a batch is run. */
export interface BatchOptions extends CallOptions {
  /** How many items are worked on at a time; `Infinity` is allowed. @default 10 */
  readonly concurrency?: number | undefined;
  /** Whether the first failure ends the batch: no more items are pulled, and running work is aborted. @default false */
  readonly stopOnError?: boolean | undefined;
  /** Longest time for one item, in milliseconds; its slot is free when its work has settled. @default Infinity */
  readonly itemTimeoutMs?: number | undefined;
  /** Names the batch in events and errors. @default 'batch' */
  readonly name?: string | undefined;
}

/** Where outcomes go. */
export interface BatchSink<I, O> {
  /** Whether no more items should be pulled for now. */
  readonly full: boolean;
  succeeded(index: number, item: I, value: O): void;
  failed(index: number, item: I, error: unknown): void;
  cancelled(index: number, item: I, reason: unknown): void;
  sourceFailed(error: unknown): void;
  /** The caller left, or the deadline passed. What runs was aborted, and still has its outcome to come. */
  left(reason: unknown): void;
  /** Every item that was pulled has its outcome, and no more will be pulled. */
  over(): void;
}

/** How long an aborted batch waits for the item that its source was fetching, in milliseconds. */
const SOURCE_GRACE_MS = 100;

/** One batch at work. */
export class BatchRun<I, O> implements AbortListener {
  readonly name: string;
  readonly #source: BatchSource<I>;
  readonly #items: BatchItems<I, O>;
  readonly #sink: BatchSink<I, O>;
  readonly #concurrency: number;
  readonly #stopOnError: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: Deadline | undefined;
  readonly #execution: Execution | undefined;
  readonly #share: FairShare = new FairShare();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  /** How many answers of an asynchronous source have not been dealt with; below 0 they are not worth waiting for any more. */
  #asking = 0;
  #lanes = 0;
  #pending = 0;
  #pulled = 0;
  #over = false;

  /** @throws TypeError, RangeError on bad arguments. */
  constructor(
    items: Iterable<I> | AsyncIterable<I>,
    fn: BatchWork<I, O>,
    options: BatchOptions,
    sink: BatchSink<I, O>,
  ) {
    checkFunction('fn', fn);
    checkCallOptions(options);
    const { concurrency = 10, stopOnError = false, itemTimeoutMs = Infinity, name = 'batch' } = options;
    this.#concurrency = checkInteger('concurrency', concurrency, 1, true);
    this.#stopOnError = checkBoolean('stopOnError', stopOnError);
    checkTimeoutMs('itemTimeoutMs', itemTimeoutMs);
    this.name = checkName('name', name);
    this.#source = new BatchSource(items);
    this.#items = new BatchItems(fn, name, itemTimeoutMs, options.deadline);
    this.#sink = sink;
    this.#signal = options.signal;
    this.#deadline = options.deadline;
    this.#execution = executionOf(options);
  }

  /** How many items may be worked on at a time. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** How many items have no outcome yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Why the batch was ended before its time; `undefined` where it was not. */
  get abortReason(): unknown {
    return this.#items.abortReason;
  }

  /** Begins. For a caller who has left already nothing is pulled. */
  begin(): void {
    const signal = this.#signal;
    if (signal?.aborted) {
      this.onAbort(signal.reason);
      return;
    }
    const remainingMs = this.#deadline?.remainingMs ?? Infinity;
    const late = (): void => this.onAbort(new TimeoutError(`Batch "${this.name}"`, 'deadline', remainingMs));
    if (remainingMs === 0) {
      late();
      return;
    }
    if (remainingMs !== Infinity) this.#timer = setTimeout(late, remainingMs);
    if (signal !== undefined) linkAbort(signal, this);
    this.pump();
  }

  /** Starts work while there are slots, items, and room for outcomes. */
  pump(): void {
    while (this.#lanes < this.#concurrency && this.#mayPull && !this.#source.pulling) void this.#lane();
    this.#endIfOver();
  }

  onAbort(reason: unknown): void {
    this.stop(reason);
    this.#sink.left(reason);
  }

  /** Pulls no more, tells the source so, and aborts what runs. */
  stop(reason: unknown): void {
    if (this.#items.aborted) return;
    this.#items.abort(reason);
    if (this.#asking > 0) {
      this.#grace = setTimeout(() => {
        this.#asking = -Infinity;
        this.#endIfOver();
      }, SOURCE_GRACE_MS);
    }
    void this.#closeSource();
  }

  async #closeSource(): Promise<void> {
    this.#pending += 1;
    await this.#source.close();
    this.#pending -= 1;
    this.#endIfOver();
  }

  get #mayPull(): boolean {
    return !this.#source.done && !this.#items.aborted && !this.#sink.full;
  }

  /** Works on item after item, until there are none or no room for outcomes. */
  async #lane(): Promise<void> {
    this.#lanes += 1;
    const source = this.#source;
    const sink = this.#sink;
    while (this.#mayPull && !source.pulling) {
      if (source.asynchronous) this.#asking += 1;
      const item = source.asynchronous ? await this.#pullAsync() : this.#pull();
      if (source.asynchronous) this.#asking -= 1;
      if (item === EXHAUSTED) break;
      const index = this.#pulled;
      this.#pulled += 1;
      if (this.#items.aborted) {
        if (!this.#over) sink.cancelled(index, item, this.#items.abortReason);
        break;
      }
      this.#pending += 1;
      const execution = new Execution(this.#execution);
      // the source is free again: another lane may ask it while this one works
      if (source.asynchronous) this.pump();
      try {
        const value = await this.#items.start(index, item, execution);
        this.#pending -= 1;
        sink.succeeded(index, item, value);
      } catch (error) {
        this.#pending -= 1;
        this.#fail(index, item, error);
      }
      if (execution.abandoned > 0) {
        this.#endIfOver();
        await new Promise<void>((resolve) => execution.whenSettled(resolve));
      }
      if (this.#share.spent) {
        await yieldToLoop();
        this.#share.renew();
      }
    }
    this.#lanes -= 1;
    this.#endIfOver();
  }

  #pull(): I | typeof EXHAUSTED {
    try {
      return this.#source.pull();
    } catch (error) {
      this.#sourceFailed(error);
      return EXHAUSTED;
    }
  }

  async #pullAsync(): Promise<I | typeof EXHAUSTED> {
    try {
      return await this.#source.pullAsync();
    } catch (error) {
      if (!this.#over) this.#sourceFailed(error);
      return EXHAUSTED;
    }
  }

  #sourceFailed(error: unknown): void {
    this.#sink.sourceFailed(error);
    if (this.#stopOnError) this.stop(new SiblingFailedError(error));
  }

  #fail(index: number, item: I, error: unknown): void {
    if (this.#items.aborted && error === this.#items.abortReason) {
      this.#sink.cancelled(index, item, error);
      return;
    }
    this.#sink.failed(index, item, error);
    if (this.#stopOnError) this.stop(new SiblingFailedError(error));
  }

  #endIfOver(): void {
    if (this.#over || this.#pending > 0 || this.#asking > 0) return;
    if (!this.#source.done && !this.#items.aborted) return;
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#grace);
    if (this.#signal !== undefined) unlinkAbort(this.#signal, this);
    this.#sink.over();
  }
}
