/**
 * What work is given and what calls accept: the caller's signal and deadline. A context is itself a valid options object, also
 * spread (`{ ...ctx, maxWaitMs: 250 }`), so `signal` on it is an own, enumerable getter that makes its controller when first read.
 */
export { checkCallOptions } from './call-options.ts';
import { keepShape } from '../runtime.ts';
import { bindDeadline, type Deadline } from './deadline.ts';
import { EXECUTION, type Execution } from './execution.ts';

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** A function that is given a context and may be asynchronous. */
export type Work<T, C = WorkContext> = (ctx: C) => Awaitable<T>;

/** What every call that waits accepts. */
export interface CallOptions {
  /** Aborts the call: it rejects at once with `signal.reason` itself. */
  readonly signal?: AbortSignal | undefined;
  /** The call rejects with a TimeoutError of kind `deadline` once it has passed. */
  readonly deadline?: Deadline | undefined;
}

/** What work receives; pass it on as the options of whatever the work calls. */
export interface WorkContext {
  /** Aborts when the work should stop; its reason says why. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting; `undefined` where nobody set a limit. */
  readonly deadline: Deadline | undefined;
}

/** The context of work that may be started more than once. */
export interface AttemptContext extends WorkContext {
  /** Which start this is, counted from 1. */
  readonly attempt: number;
}

/** Something that has a signal, and may make it only when asked. */
export interface SignalSource {
  readonly signal: AbortSignal;
}

/** A source for work that nobody can abort: its signal exists for those who want to pass one on. */
class NeverAborts implements SignalSource {
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }
}

const SOURCE: unique symbol = Symbol('holdfast.source');

/** The old way to define a getter, and the fast one: `Object.defineProperty` has to read a descriptor each time. */
const defineGetter = /* @__PURE__ */ Reflect.get(Object.prototype, '__defineGetter__') as {
  call(target: object, key: string, get: (this: LazyContext) => unknown): void;
};

/** One getter for all contexts: a literal with its own would make a function and an object shape per context, at six times the price. */
class LazyContext implements WorkContext {
  declare readonly signal: AbortSignal;
  readonly deadline: Deadline | undefined;
  readonly [EXECUTION]: Execution | undefined;
  /** Not a private field: the getter must also work through a proxy or a derived object. */
  [SOURCE]: SignalSource | undefined;

  constructor(
    source: SignalSource | undefined,
    deadline: Deadline | undefined,
    execution: Execution | undefined,
  ) {
    this.deadline = deadline;
    this[EXECUTION] = execution;
    this[SOURCE] = source;
    defineGetter.call(this, 'signal', readSignal);
  }
}

function readSignal(this: LazyContext): AbortSignal {
  const { signal } = (this[SOURCE] ??= new NeverAborts());
  if (this.deadline !== undefined) bindDeadline(signal, this.deadline);
  return signal;
}

/** Makes a context whose `signal` is read from `source` on demand. */
export function createContext(
  source: SignalSource | undefined,
  deadline: Deadline | undefined,
  execution: Execution | undefined,
): WorkContext {
  return new LazyContext(source, deadline, execution);
}

keepShape(createContext(undefined, undefined, undefined));

/** A context of a signal that is there already. */
export function passContext(
  signal: AbortSignal,
  deadline: Deadline | undefined,
  execution: Execution | undefined,
): WorkContext {
  return { signal, deadline, [EXECUTION]: execution } as WorkContext;
}

/** Adds members to a context without reading its signal. */
export function extendContext<C extends WorkContext, E extends object>(context: C, extra: E): C & E {
  return Object.assign(context, extra);
}
