/**
 * Works on many items and yields each outcome as it comes. It is lazy: nothing is pulled before somebody asks, and never more
 * than `concurrency` items are ahead of the reader. Leaving the loop aborts what runs and waits for it.
 */
import { emit, observed } from '../events/bus.ts';
import { RingBuffer } from '../queue/ring-buffer.ts';
import type { BatchWork } from './batch-items.ts';
import { BatchRun, type BatchOptions, type BatchSink } from './batch-run.ts';

/** What became of one item; `index` is its place in the input. */
export type BatchOutcome<I, O> = { readonly index: number; readonly item: I } & (
  | { readonly ok: true; readonly value: O }
  | { readonly ok: false; readonly error: unknown }
);

/**
 * Runs `fn` for each item and yields outcomes in the order in which they are known. After the first failure under `stopOnError`
 * no more items are pulled, and the outcomes of those that run come last. An abort, or a deadline that passes, rejects at once
 * with its reason, after outcomes that were there; so does a source that fails, after all outcomes.
 *
 * @example
 * for await (const outcome of streamBatch(readLines(file), importLine, { concurrency: 20 })) {
 *   if (!outcome.ok) rejected.push(outcome.item);
 * }
 *
 * @throws TypeError, RangeError on bad arguments.
 */
export function streamBatch<I, O>(
  items: Iterable<I> | AsyncIterable<I>,
  fn: BatchWork<I, O>,
  options: BatchOptions = {},
): AsyncIterableIterator<BatchOutcome<I, O>, undefined> {
  return new BatchStream(items, fn, options);
}

type Result<I, O> = IteratorResult<BatchOutcome<I, O>, undefined>;

interface Reader<I, O> {
  readonly resolve: (result: Result<I, O>) => void;
  readonly reject: (error: unknown) => void;
}

class BatchStream<I, O> implements AsyncIterableIterator<BatchOutcome<I, O>, undefined>, BatchSink<I, O> {
  readonly #run: BatchRun<I, O>;
  readonly #ready: RingBuffer<BatchOutcome<I, O>> = new RingBuffer<BatchOutcome<I, O>>();
  readonly #readers: RingBuffer<Reader<I, O>> = new RingBuffer<Reader<I, O>>();
  readonly #counts: { processed: number; errors: number; cancelled: number } = {
    processed: 0,
    errors: 0,
    cancelled: 0,
  };
  #state: 'new' | 'running' | 'ending' | 'over' = 'new';
  #failure: { readonly error: unknown } | undefined;
  #whenOver: (() => void)[] | undefined;

  constructor(items: Iterable<I> | AsyncIterable<I>, fn: BatchWork<I, O>, options: BatchOptions) {
    this.#run = new BatchRun(items, fn, options, this);
  }

  get full(): boolean {
    return this.#ready.size + this.#run.pending >= this.#run.concurrency;
  }

  next(): Promise<Result<I, O>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      if (this.#state === 'new') {
        this.#state = 'running';
        this.#run.begin();
      }
      this.#deliver();
    });
  }

  /** The reader has left. Resolves when nothing of the batch runs any more. */
  return(): Promise<IteratorReturnResult<undefined>> {
    const result: IteratorReturnResult<undefined> = { done: true, value: undefined };
    // nothing was begun, so there is nothing to end
    if (this.#state === 'new') this.#state = 'over';
    this.#end();
    if (this.#state === 'over') return Promise.resolve(result);
    this.#run.stop(new DOMException(`The reader of batch "${this.#run.name}" has left`, 'AbortError'));
    return new Promise((resolve) => (this.#whenOver ??= []).push(() => resolve(result)));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  succeeded(index: number, item: I, value: O): void {
    this.#counts.processed += 1;
    this.#push({ index, item, ok: true, value });
  }

  failed(index: number, item: I, error: unknown): void {
    this.#counts.processed += 1;
    this.#counts.errors += 1;
    this.#push({ index, item, ok: false, error });
  }

  cancelled(index: number, item: I, reason: unknown): void {
    this.#counts.cancelled += 1;
    this.#push({ index, item, ok: false, error: reason });
  }

  sourceFailed(error: unknown): void {
    this.#counts.errors += 1;
    this.#failure ??= { error };
  }

  left(reason: unknown): void {
    this.#failure = { error: reason };
    if (this.#state === 'running') this.#state = 'ending';
    this.#deliver();
  }

  over(): void {
    this.#state = 'over';
    if (observed()) emit('batch.done', this.#run.name, this.#counts);
    this.#deliver();
    for (const done of this.#whenOver ?? []) done();
  }

  #push(outcome: BatchOutcome<I, O>): void {
    if (this.#state !== 'running') return;
    this.#ready.push(outcome);
    this.#deliver();
  }

  /** Gives outcomes to those who wait for them; where nothing more comes, first the failure, once, then the end. */
  #deliver(): void {
    while (this.#readers.size > 0) {
      const outcome = this.#ready.shift();
      if (outcome === undefined && this.#state === 'running') return;
      const reader = this.#readers.shift();
      if (outcome !== undefined) {
        reader?.resolve({ done: false, value: outcome });
        this.#run.pump();
      } else if (this.#failure !== undefined) {
        reader?.reject(this.#failure.error);
        this.#failure = undefined;
      } else {
        reader?.resolve({ done: true, value: undefined });
      }
    }
  }

  /** Delivers nothing more. */
  #end(): void {
    this.#failure = undefined;
    while (this.#ready.size > 0) this.#ready.shift();
    if (this.#state === 'running') this.#state = 'ending';
    this.#deliver();
  }
}
