/** Those who want a slot of a semaphore: callers who wait for a permit, and calls that wait to be run. */
import { keepShape, snapshotContext, type ContextSnapshot } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { Execution, executionOf } from '../signal/execution.ts';
import { takeSpareCall, type SpareCall } from '../signal/spare-call.ts';
import { start } from '../signal/start.ts';
import { Waiter } from '../signal/wait-line.ts';
import type { CallOptions, Work } from '../signal/work-context.ts';

/** Makes the error of one who has waited longer than it may. */
export type TooLate = (maxWaitMs: number) => Error;

/** Method syntax, so that a line can hold turns of many types. */
interface Answer<T> {
  resolve(value: T): void;
}

/** One who wants a slot, and gets `T`. */
export abstract class Turn<T> extends Waiter {
  readonly resolve: Answer<T>['resolve'];
  readonly reject: (error: unknown) => void;
  readonly #tooLate: TooLate;

  constructor(tooLate: TooLate, resolve: (value: T) => void, reject: (error: unknown) => void) {
    super();
    this.#tooLate = tooLate;
    this.resolve = resolve;
    this.reject = reject;
  }

  giveUp(error: unknown): void {
    this.reject(error);
  }

  late(maxWaitMs: number): void {
    this.reject(this.#tooLate(maxWaitMs));
  }
}

/** A caller who wants a permit. */
export class PermitTurn extends Turn<Disposable> {}

/** A call that wants to be run. */
export class CallTurn<T> extends Turn<T> {
  readonly fn: Work<T>;
  readonly options: CallOptions;
  #context: ContextSnapshot | undefined;
  #spare: SpareCall | undefined;
  #execution: Execution | undefined;

  constructor(
    fn: Work<T>,
    options: CallOptions,
    tooLate: TooLate,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    super(tooLate, resolve, reject);
    this.fn = fn;
    this.options = options;
  }

  /** To be called when it has to wait: it is then run by somebody else, and must not notice. */
  keepContext(): void {
    this.#context = snapshotContext();
  }

  /** Runs the call; only its own caller can end it early. */
  run(): Promise<T> {
    if (this.#context === undefined) return CallTurn.#start(this);
    return this.#context.runInAsyncScope(CallTurn.#start<T>, undefined, this);
  }

  /** The call has settled. Returns the record of what it gave up, if that still runs. */
  end(): Execution | undefined {
    const execution = this.#spare?.end() ?? this.#execution;
    return execution?.abandoned ? execution : undefined;
  }

  static readonly #start = <T>(turn: CallTurn<T>): Promise<T> => {
    const { fn, options } = turn;
    const { signal, deadline } = options;
    const parent = executionOf(options);
    // work that takes its context may keep it, and look at it when it is somebody else's
    if (!signal && !deadline && !parent && fn.length === 0) {
      turn.#spare = takeSpareCall();
      return start(fn, turn.#spare.context);
    }
    turn.#execution = new Execution(parent);
    return call(fn, { signal, deadline, execution: turn.#execution });
  };
}

function nothing(): void {}

const kept = new CallTurn(nothing, {}, () => new Error(), nothing, nothing);
kept.keepContext();
keepShape(kept);
keepShape(new PermitTurn(() => new Error(), nothing, nothing));
