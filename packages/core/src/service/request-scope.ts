/**
 * The scope of one unit of inbound work; it knows nothing of HTTP. Its signal aborts when the caller leaves, when its time is
 * over, or when the service cancels; never by a normal end. It ends when the *response* ends, not when the handler returns, and
 * until its signal is read it has neither a controller nor a timer.
 */
import { DisconnectedError } from '../errors/lifecycle-errors.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkBoolean, checkName, checkOptionalFunction, checkTimeoutMs } from '../options/checks.ts';
import { createStorage } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import {
  checkCallOptions,
  createContext,
  extendContext,
  type CallOptions,
  type SignalSource,
  type Work,
  type WorkContext,
} from '../signal/work-context.ts';
import type { TaskHandle } from '../tasks/task-handle.ts';
import type { TaskManager } from '../tasks/task-manager.ts';
import { spawnBackground, type BackgroundOptions, type Lifetime } from './background.ts';

/** What a handler is given for one request; also valid options for whatever it calls. */
export interface RequestScope extends WorkContext {
  /** By which the request is known from hop to hop. */
  readonly id: string;
  /**
   * Starts work that may outlive the request: tracked by the service, waited for at a shutdown, with a signal of its own.
   *
   * @throws TaskLimitError, ShuttingDownError
   */
  background<T>(fn: Work<T>, options?: BackgroundOptions): TaskHandle<T>;
}

/** How a scope is opened. `signal` aborts it with its own reason. */
export interface OpenScopeOptions extends CallOptions {
  /** @default a random UUID */
  readonly id?: string | undefined;
  /** Longest time the request may take, in milliseconds; the scope's deadline is the earlier of this and `deadline`. */
  readonly timeoutMs?: number | undefined;
  /** Whether it may be refused because something the service owns is overloaded. @default true */
  readonly shed?: boolean | undefined;
  /** Keeps a runtime alive that ends with the response; called exactly once for each background task. */
  readonly waitUntil?: ((promise: Promise<unknown>) => void) | undefined;
}

/** An open scope in the hands of its adapter. */
export interface ScopeHandle {
  readonly scope: RequestScope;
  /** Calls `fn` so that `currentScope()` finds the scope in it and in everything it starts. */
  run<T>(fn: () => T): T;
  /** The caller left before its response was complete: aborts the signal with a DisconnectedError, and ends the scope. */
  disconnect(): void;
  /** The response has ended. */
  end(): void;
}

const storage = /* @__PURE__ */ createStorage<RequestScope>();

/** The scope around the caller; `undefined` outside, and where the runtime has no AsyncLocalStorage. */
export function currentScope(): RequestScope | undefined {
  return storage?.getStore();
}

/** Who keeps account of scopes. */
export interface ScopeHost {
  readonly owner: object;
  readonly tasks: TaskManager;
  closed(scope: OpenScope): void;
}

/** Checks what a scope is opened with. */
export function checkScopeOptions(options: OpenScopeOptions): void {
  checkCallOptions(options);
  if (options.id !== undefined) checkName('id', options.id);
  if (options.timeoutMs !== undefined) checkTimeoutMs('timeoutMs', options.timeoutMs);
  if (options.shed !== undefined) checkBoolean('shed', options.shed);
  checkOptionalFunction('waitUntil', options.waitUntil);
}

/** An open scope as its service sees it. */
export class OpenScope implements ScopeHandle, SignalSource, AbortListener, Lifetime {
  readonly scope: RequestScope;
  readonly #host: ScopeHost;
  readonly #parent: AbortSignal | undefined;
  readonly #limitMs: number;
  readonly #abort: LazyAbort = new LazyAbort();
  #watching = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over = false;
  #disconnected = false;
  #atEnd: Set<() => void> | undefined;

  /** `options` are taken as checked. */
  constructor(host: ScopeHost, options: OpenScopeOptions) {
    const { id, signal, timeoutMs, waitUntil } = options;
    const own = timeoutMs === undefined || timeoutMs === Infinity ? undefined : Deadline.after(timeoutMs);
    const deadline = earliest(options.deadline, own);
    this.#host = host;
    this.#parent = signal;
    this.#limitMs = deadline?.remainingMs ?? Infinity;
    this.scope = extendContext(createContext(this, deadline, new Execution(undefined, host.owner)), {
      id: id ?? crypto.randomUUID(),
      background: <T>(fn: Work<T>, background: BackgroundOptions = {}): TaskHandle<T> =>
        spawnBackground(this, host.tasks, host.owner, waitUntil, fn, background),
    });
  }

  get signal(): AbortSignal {
    if (!this.#watching && !this.#over) this.#watch();
    return this.#abort.signal;
  }

  get over(): boolean {
    return this.#over;
  }

  get disconnected(): boolean {
    return this.#disconnected;
  }

  run<T>(fn: () => T): T {
    return storage === undefined ? fn() : storage.run(this.scope, fn);
  }

  disconnect(): void {
    if (this.#over) return;
    this.#disconnected = true;
    this.#abort.abort(new DisconnectedError());
    this.end();
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unwatch();
    this.#host.closed(this);
    const told = this.#atEnd;
    this.#atEnd = undefined;
    if (told !== undefined) for (const callback of told) callback();
  }

  /** The service cancels. */
  cancel(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** The signal it was opened with has aborted. */
  onAbort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  atEnd(callback: () => void): void {
    (this.#atEnd ??= new Set()).add(callback);
  }

  notAtEnd(callback: () => void): void {
    this.#atEnd?.delete(callback);
  }

  /** Somebody reads the signal for the first time: from now on it has to know. */
  #watch(): void {
    this.#watching = true;
    if (this.#parent?.aborted) return this.#abort.abort(this.#parent.reason);
    const { deadline } = this.scope;
    if (deadline !== undefined) {
      const remainingMs = deadline.remainingMs;
      if (remainingMs <= 0) return this.#expire();
      if (remainingMs !== Infinity) this.#timer = setTimeout(() => this.#expire(), remainingMs);
    }
    if (this.#parent !== undefined) linkAbort(this.#parent, this);
  }

  #expire(): void {
    this.#abort.abort(new TimeoutError('The request', 'deadline', this.#limitMs));
  }

  #unwatch(): void {
    clearTimeout(this.#timer);
    if (this.#parent !== undefined) unlinkAbort(this.#parent, this);
  }
}
