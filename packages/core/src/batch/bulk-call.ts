/** One bulk call of a batcher, the items in it, and those who wait for each item. */
import { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { WaitLine, Waiter } from '../signal/wait-line.ts';

/** One who submitted an item. */
export class Submission<I, O> extends Waiter {
  readonly resolve: (value: O) => void;
  readonly reject: (error: unknown) => void;
  readonly #entry: Entry<I, O>;

  constructor(entry: Entry<I, O>, resolve: (value: O) => void, reject: (error: unknown) => void) {
    super();
    this.#entry = entry;
    this.resolve = resolve;
    this.reject = reject;
  }

  giveUp(error: unknown): void {
    this.reject(error);
    this.#entry.left(error);
  }

  /** Never called: a submission waits until its caller leaves. */
  late(): void {}
}

/** One item, and all who wait for its outcome. */
export class Entry<I, O> {
  readonly item: I;
  readonly key: unknown;
  readonly line: WaitLine<Submission<I, O>> = new WaitLine<Submission<I, O>>();
  /** The call it is in, once it is in one. */
  call: BulkCall<I, O> | undefined;
  readonly #forsaken: (entry: Entry<I, O>, reason: unknown) => void;
  #watchers: (() => void)[] | undefined;

  constructor(item: I, key: unknown, forsaken: (entry: Entry<I, O>, reason: unknown) => void) {
    this.item = item;
    this.key = key;
    this.#forsaken = forsaken;
  }

  /** Resolves when all who waited have their outcome. */
  settled(): Promise<void> {
    if (this.line.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#watchers ??= []).push(resolve));
  }

  succeed(value: O): void {
    for (let one = this.line.shift(); one !== undefined; one = this.line.shift()) one.resolve(value);
    this.#tell();
  }

  fail(error: unknown): void {
    for (let one = this.line.shift(); one !== undefined; one = this.line.shift()) one.reject(error);
    this.#tell();
  }

  /** One who waited has left. */
  left(reason: unknown): void {
    if (this.line.size > 0) return;
    this.#tell();
    this.#forsaken(this, reason);
  }

  #tell(): void {
    for (const watcher of this.#watchers ?? []) watcher();
    this.#watchers = undefined;
  }
}

/** A call that runs. Its signal aborts when nobody waits for any of its items. */
export class BulkCall<I, O> extends LazyAbort {
  readonly entries: readonly Entry<I, O>[];
  readonly execution: Execution;
  readonly counts: { processed: number; errors: number; cancelled: number } = {
    processed: 0,
    errors: 0,
    cancelled: 0,
  };
  #awaited: number;

  constructor(entries: readonly Entry<I, O>[], owner: object | undefined) {
    super();
    this.entries = entries;
    this.execution = new Execution(undefined, owner);
    this.#awaited = entries.length;
    for (const entry of entries) entry.call = this;
  }

  /** Nobody waits for one of its items any more. */
  forsaken(reason: unknown): void {
    this.#awaited -= 1;
    this.counts.cancelled += 1;
    if (this.#awaited === 0) this.abort(reason);
  }

  /** Gives everybody the result of his item. Throws where there is not one for each. */
  succeed(results: readonly (O | Error)[], batcher: string): void {
    if (!Array.isArray(results) || results.length !== this.entries.length) {
      const got = Array.isArray(results) ? `${results.length} results` : typeof results;
      throw new TypeError(`Batcher "${batcher}" got ${got} for ${this.entries.length} items`);
    }
    for (const [place, entry] of this.entries.entries()) {
      // the lengths are equal
      const result = results[place] as O | Error;
      if (result instanceof Error) this.#failed(entry, result);
      else this.#succeeded(entry, result);
    }
  }

  /** Tells everybody the same. */
  fail(error: unknown): void {
    for (const entry of this.entries) this.#failed(entry, error);
  }

  #succeeded(entry: Entry<I, O>, value: O): void {
    if (entry.line.size > 0) this.counts.processed += 1;
    entry.succeed(value);
  }

  #failed(entry: Entry<I, O>, error: unknown): void {
    if (entry.line.size > 0) {
      this.counts.processed += 1;
      this.counts.errors += 1;
    }
    entry.fail(error);
  }
}
