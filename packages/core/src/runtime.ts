/**
 * The only file of core that knows which runtime it is on. It looks for AsyncLocalStorage and does without where there is none.
 * Clocks and timers are read from the globals at call time, so that fake timers work.
 */

/** Runs a function in the context it was made in. */
export type RunInContext = <T>(fn: () => T) => T;

/** An asynchronous context that was taken hold of; the cheap form, for those who keep one for each waiter. */
export interface ContextSnapshot {
  /** Calls `fn` in the context this snapshot was taken in. */
  runInAsyncScope<A extends readonly unknown[], R>(fn: (...args: A) => R, self: undefined, ...args: A): R;
}

interface Storage<T> {
  getStore(): T | undefined;
  run<R>(store: T, fn: () => R): R;
}

interface AsyncHooks {
  AsyncLocalStorage: new <T>() => Storage<T>;
  AsyncResource: new (type: string) => ContextSnapshot;
}

interface Globals {
  process?: {
    getBuiltinModule?(id: string): AsyncHooks | undefined;
    env?: Readonly<Record<string, string | undefined>>;
  };
  reportError?: (error: unknown) => void;
  setImmediate?: (callback: () => void) => unknown;
}

const globals = globalThis as Globals;
const hooks: AsyncHooks | undefined = /* @__PURE__ */ asyncHooks();

function asyncHooks(): AsyncHooks | undefined {
  return globals.process?.getBuiltinModule?.('node:async_hooks');
}

const inPlace: ContextSnapshot = { runInAsyncScope: (fn, _self, ...args) => fn(...args) };

/** Takes hold of the caller's asynchronous context. */
export function snapshotContext(): ContextSnapshot {
  return hooks === undefined ? inPlace : new hooks.AsyncResource('holdfast');
}

/** Remembers the caller's asynchronous context, for a callback that is stored and run later by somebody else. */
export function captureContext(): RunInContext {
  const snapshot = snapshotContext();
  return (fn) => snapshot.runInAsyncScope(fn, undefined);
}

/** A value that follows a call through everything it awaits; `undefined` where the runtime has no such thing. */
export function createStorage<T>(): Storage<T> | undefined {
  return hooks === undefined ? undefined : new hooks.AsyncLocalStorage<T>();
}

/** Whether this is not production, as far as NODE_ENV says; false where there is no environment. */
export function isDevelopment(): boolean {
  const env = globals.process?.env;
  return env !== undefined && env['NODE_ENV'] !== 'production';
}

/** Milliseconds on a clock that never steps; only differences mean something. */
export function now(): number {
  return performance.now();
}

/** Lets timers and sockets have their turn. */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => {
    if (globals.setImmediate === undefined) setTimeout(resolve, 0);
    else globals.setImmediate(resolve);
  });
}

let reporter: ((error: unknown) => void) | undefined;

/** Gives errors of observers to `report` until the returned function is called. */
export function reportErrorsTo(report: (error: unknown) => void): () => void {
  reporter = report;
  return () => {
    if (reporter === report) reporter = undefined;
  };
}

/**
 * Where errors of observers go: they never steer the work they observe. The runtime's own `reportError` is for where there is no
 * process to lose: that of Bun and of Deno ends the process as an uncaught exception does.
 */
export function reportError(error: unknown): void {
  if (reporter !== undefined) reporter(error);
  else if (globals.process === undefined && typeof globals.reportError === 'function')
    globals.reportError(error);
  else console.error(error);
}

/** Calls an observer; what it throws or rejects with is reported, and nothing else happens. */
export function notify<A extends readonly unknown[]>(observer: (...args: A) => unknown, ...args: A): void {
  try {
    const returned = observer(...args);
    if (returned instanceof Object) Promise.resolve(returned).catch(reportError);
  } catch (error) {
    reportError(error);
  }
}

const shapes: object[] = [];

/**
 * Keeps one object of a class alive. V8 forgets the shape of a class when a major collection finds no object of it, and with the
 * shape all code that was optimised for it; a limiter between two bursts of calls then starts ten times slower than it stopped.
 * So a class whose objects come and go with calls keeps one.
 */
export function keepShape(object: object): void {
  shapes.push(object);
}
