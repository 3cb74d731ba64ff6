/**
 * Works on many items, so many at a time, and keeps successes and errors apart. It resolves whatever happens, also when it is
 * aborted, so no result is lost. The trap: after an abort, items that were never pulled are in no list; together the lists say
 * how far it came.
 */
import { emit, observed } from '../events/bus.ts';
import { keepShape } from '../runtime.ts';
import type { BatchWork } from './batch-items.ts';
import { BatchRun, type BatchOptions, type BatchSink } from './batch-run.ts';

/** An item that was done. */
export interface BatchSuccess<I, O> {
  readonly index: number;
  readonly item: I;
  readonly value: O;
}

/** An item that failed. With index -1 and without item, the source failed, and nothing was pulled after that. */
export interface BatchError<I> {
  readonly index: number;
  readonly item: I | undefined;
  readonly error: unknown;
}

/** An item that was given up because the batch was aborted. */
export interface BatchCancelled<I> {
  readonly index: number;
  readonly item: I;
}

/** What became of every item that was pulled; each list is in the order of the input. */
export interface BatchResult<I, O> {
  readonly successes: readonly BatchSuccess<I, O>[];
  readonly errors: readonly BatchError<I>[];
  readonly cancelled: readonly BatchCancelled<I>[];
  /** Why the batch ended before its time: the signal's reason, a TimeoutError of kind `deadline`, or SIBLING_FAILED. */
  readonly abortReason: unknown;
  /**
   * The values in the order of the input, for callers to whom anything less is a failure.
   *
   * @throws AggregateError of all errors; the abort reason itself where there are none but the batch was aborted.
   */
  orThrow(): O[];
}

/**
 * Runs `fn` for each item. Items are pulled when there is a slot for them. When the batch is aborted, or with `stopOnError` after
 * the first failure, it pulls no more, aborts what runs and waits for it.
 *
 * @example
 * const { successes, errors } = await runBatch(urls, (url, { signal }) => fetch(url, { signal }), { concurrency: 10 });
 *
 * @throws TypeError, RangeError (as rejections) on bad arguments; nothing else.
 */
export function runBatch<I, O>(
  items: Iterable<I> | AsyncIterable<I>,
  fn: BatchWork<I, O>,
  options: BatchOptions = {},
): Promise<BatchResult<I, O>> {
  return new Promise((resolve) => {
    const collector = new Collector<I, O>((result) => {
      if (observed()) report(run.name, result);
      resolve(result);
    });
    const run = new BatchRun(items, fn, options, collector);
    collector.reasonOf = run;
    run.begin();
  });
}

function report<I, O>(name: string, { successes, errors, cancelled }: BatchResult<I, O>): void {
  emit('batch.done', name, {
    processed: successes.length + errors.length,
    errors: errors.length,
    cancelled: cancelled.length,
  });
}

class Collector<I, O> implements BatchSink<I, O> {
  readonly full = false;
  reasonOf: { readonly abortReason: unknown } | undefined;
  readonly #successes: BatchSuccess<I, O>[] = [];
  readonly #errors: BatchError<I>[] = [];
  readonly #cancelled: BatchCancelled<I>[] = [];
  readonly #done: (result: BatchResult<I, O>) => void;

  constructor(done: (result: BatchResult<I, O>) => void) {
    this.#done = done;
  }

  succeeded(index: number, item: I, value: O): void {
    this.#successes.push({ index, item, value });
  }

  failed(index: number, item: I, error: unknown): void {
    this.#errors.push({ index, item, error });
  }

  cancelled(index: number, item: I): void {
    this.#cancelled.push({ index, item });
  }

  sourceFailed(error: unknown): void {
    this.#errors.push({ index: -1, item: undefined, error });
  }

  /** It waits for what was aborted. */
  left(): void {}

  over(): void {
    this.#done(
      new Result(
        inOrder(this.#successes),
        inOrder(this.#errors),
        inOrder(this.#cancelled),
        this.reasonOf?.abortReason,
      ),
    );
  }
}

class Result<I, O> implements BatchResult<I, O> {
  readonly successes: readonly BatchSuccess<I, O>[];
  readonly errors: readonly BatchError<I>[];
  readonly cancelled: readonly BatchCancelled<I>[];
  readonly abortReason: unknown;

  constructor(
    successes: readonly BatchSuccess<I, O>[],
    errors: readonly BatchError<I>[],
    cancelled: readonly BatchCancelled<I>[],
    abortReason: unknown,
  ) {
    this.successes = successes;
    this.errors = errors;
    this.cancelled = cancelled;
    this.abortReason = abortReason;
  }

  orThrow(): O[] {
    const [first] = this.errors;
    if (first !== undefined) {
      const { length } = this.errors;
      throw new AggregateError(
        this.errors.map(({ error }) => error),
        `${length} of ${length + this.successes.length + this.cancelled.length} items failed`,
        { cause: first.error },
      );
    }
    if (this.abortReason !== undefined) throw this.abortReason;
    return this.successes.map(({ value }) => value);
  }
}

/** Outcomes come nearly in order, and mostly so: they are looked at before they are sorted. */
function inOrder<T extends { readonly index: number }>(outcomes: T[]): readonly T[] {
  const sorted = outcomes.every(
    (outcome, place) => place === 0 || (outcomes[place - 1]?.index ?? 0) < outcome.index,
  );
  return sorted ? outcomes : outcomes.toSorted((one, other) => one.index - other.index);
}

const kept = new Collector<unknown, unknown>(() => {});
kept.reasonOf = new BatchRun([], () => {}, {}, kept);
keepShape(kept);
keepShape(new Result([], [], [], undefined));
