/** The items of a batch as they are worked on: the context each is given, the time it may take, and the abort that reaches all. */
import { keepShape } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { earliest, type Deadline } from '../signal/deadline.ts';
import { EXECUTION, type Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { createContext, extendContext, type Awaitable, type WorkContext } from '../signal/work-context.ts';

/** What work on one item is given. */
export interface BatchContext extends WorkContext {
  /** The place of the item in the input, from 0. */
  readonly index: number;
}

/** Works on one item. */
export type BatchWork<I, O> = (item: I, ctx: BatchContext) => Awaitable<O>;

/** So many contexts whose signal is made when read cost what the one signal of the batch does. */
const LAZY_CONTEXTS = 64;

/** Starts work on the items of one batch, and aborts it. */
export class BatchItems<I, O> {
  readonly #fn: BatchWork<I, O>;
  readonly #batch: string;
  readonly #timeoutMs: number;
  readonly #deadline: Deadline | undefined;
  readonly #abort: LazyAbort = new LazyAbort();
  /** Aborts of items that have a time-out of their own. */
  readonly #timed: Set<LazyAbort> = new Set<LazyAbort>();

  /** `batch` is its name, `timeoutMs` how long each item may take. */
  constructor(fn: BatchWork<I, O>, batch: string, timeoutMs: number, deadline: Deadline | undefined) {
    this.#fn = fn;
    this.#batch = batch;
    this.#timeoutMs = timeoutMs;
    this.#deadline = deadline;
  }

  /** Whether what runs was aborted. */
  get aborted(): boolean {
    return this.#abort.aborted;
  }

  /** Why it was. */
  get abortReason(): unknown {
    return this.#abort.reason;
  }

  /** Aborts what runs. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
    for (const item of this.#timed) item.abort(reason);
  }

  /** Starts the work on one item; throws what it throws at once. */
  start(index: number, item: I, execution: Execution): Awaitable<O> {
    if (this.#timeoutMs !== Infinity) return this.#startTimed(index, item, execution);
    return this.#fn(item, this.#context(index, execution));
  }

  #context(index: number, execution: Execution): BatchContext {
    if (index < LAZY_CONTEXTS && !this.#abort.read)
      return extendContext(createContext(this.#abort, this.#deadline, execution), { index });
    const { signal } = this.#abort;
    const context = { index, signal, deadline: this.#deadline, [EXECUTION]: execution };
    return context;
  }

  async #startTimed(index: number, item: I, execution: Execution): Promise<O> {
    const abort = new LazyAbort();
    this.#timed.add(abort);
    try {
      return await call(
        ({ deadline }) => {
          const context = createContext(abort, earliest(deadline, this.#deadline), execution);
          return this.#fn(item, extendContext(context, { index }));
        },
        { timeoutMs: this.#timeoutMs, name: `Item ${index} of batch "${this.#batch}"`, execution, abort },
      );
    } finally {
      this.#timed.delete(abort);
    }
  }
}

keepShape(extendContext(createContext(undefined, undefined, undefined), { index: 0 }));
keepShape({ index: 0, signal: undefined, deadline: undefined, [EXECUTION]: undefined });
