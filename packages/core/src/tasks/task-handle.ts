/**
 * One task: a function that runs beside its caller, with a name, a state and an abort of its own. A cancelled task is over only
 * when its function has ended, so its real outcome is never lost; a task that has run out of time fails at once.
 * The trap: a function that ignores its signal can be asked to stop, and not be stopped.
 */
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import { checkFunction, checkName, checkTimeoutMs } from '../options/checks.ts';
import { keepShape, now } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { checkCallOptions, createContext, type CallOptions, type Work } from '../signal/work-context.ts';
import type { SpawnStack } from './spawn-stack.ts';

/** What became of a task. */
export type TaskState = 'running' | 'completed' | 'failed' | 'cancelled';

/** A task that was started. Await it for the result; left alone, its rejection is handled already. */
export interface TaskHandle<T> extends PromiseLike<T> {
  /** Unique within the process. */
  readonly id: number;
  /** The name given, else the function's own. */
  readonly name: string;
  /** `cancelled` where it ended by its abort, `failed` where it rejected otherwise or ran out of time. */
  readonly state: TaskState;
  /** When it was started. */
  readonly startedAt: Date;
  /** Where it was spawned, where its manager keeps that: in development. */
  readonly spawnStack: string | undefined;
  /**
   * Asks the task to stop: aborts its signal with `reason`. The handle settles when the function has ended.
   *
   * @default reason an AbortError
   */
  cancel(reason?: unknown): void;
}

/** How a task is started. `signal` cancels it, `deadline` and `timeoutMs` fail it with a TimeoutError. */
export interface SpawnOptions extends CallOptions {
  /** Names the task in lists, events and reports. @default the function's name */
  readonly name?: string | undefined;
  /** Longest time the task may take, in milliseconds. @default Infinity */
  readonly timeoutMs?: number | undefined;
}

/** Checks what starts a task. */
export function checkSpawn(fn: unknown, options: SpawnOptions): void {
  checkFunction('fn', fn);
  checkCallOptions(options);
  if (options.name !== undefined) checkName('name', options.name);
  if (options.timeoutMs !== undefined) checkTimeoutMs('timeoutMs', options.timeoutMs);
}

/** Who started a task and keeps account of it. */
export interface TaskHost {
  readonly name: string;
  /** The outcome is known; the state says which, `error` why it is not `completed`. */
  settled(task: Task<unknown>, error: unknown): void;
  /** The function has ended; a task that ran out of time settles before that. */
  ended?(task: Task<unknown>): void;
  /** Nothing of the task runs any more, neither its function nor work that it gave up. */
  released(task: Task<unknown>): void;
}

/** The reason of a cancellation that gave none. */
export function cancelled(what: string): DOMException {
  return new DOMException(`${what} was cancelled`, 'AbortError');
}

/** Whether work that was aborted with `reason` ended by it. Many APIs put an AbortError of their own in its place. */
export function isCancellation(error: unknown, reason: unknown): boolean {
  return error === reason || (error instanceof Error && error.name === 'AbortError');
}

interface Pending<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

let lastId = 0;

/** A task as its host sees it. */
export class Task<T> implements TaskHandle<T>, AbortListener {
  readonly id: number = (lastId += 1);
  readonly name: string;
  readonly #host: TaskHost;
  readonly #options: SpawnOptions;
  readonly #abort: LazyAbort = new LazyAbort();
  readonly #execution: Execution;
  readonly #spawnStack: SpawnStack | undefined;
  readonly #outcome: Promise<T>;
  #pending: Pending<T> | undefined;
  #work: Promise<T> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: TaskState = 'running';
  #started = false;
  #awaited = false;
  #startedAt = new Date();
  #startedAtMs = now();

  constructor(
    host: TaskHost,
    fn: Work<T>,
    options: SpawnOptions,
    execution: Execution,
    spawnStack?: SpawnStack,
  ) {
    this.name = options.name ?? (fn.name || 'task');
    this.#host = host;
    this.#options = options;
    this.#execution = execution;
    this.#spawnStack = spawnStack;
    this.#outcome = new Promise<T>((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
    this.#outcome.catch(() => {});
  }

  get state(): TaskState {
    return this.#state;
  }

  get startedAt(): Date {
    return this.#startedAt;
  }

  get spawnStack(): string | undefined {
    return this.#spawnStack?.toString();
  }

  /** Whether somebody has asked for the outcome, and so gets its error. */
  get awaited(): boolean {
    return this.#awaited;
  }

  /** Whether it was asked to stop. */
  get stopping(): boolean {
    return this.#abort.aborted;
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#awaited = true;
    return this.#outcome.then(onFulfilled, onRejected);
  }

  cancel(reason: unknown = cancelled(`Task "${this.name}"`)): void {
    if (this.#pending === undefined) return;
    this.#abort.abort(reason);
    if (!this.#started) this.#neverRan('cancelled', reason);
  }

  /** Fails a task that was never started. */
  refuse(error: unknown): void {
    if (!this.#started) this.#neverRan('failed', error);
  }

  onAbort(reason: unknown): void {
    this.cancel(reason);
  }

  /**
   * Runs the function, unless the task is over before: the caller has left, the deadline has passed, or it was cancelled.
   * `inherited` is a deadline that its host enforces, and the function should know.
   */
  start(fn: Work<T>, inherited?: Deadline): void {
    if (this.#pending === undefined) return;
    const { signal, deadline, timeoutMs = Infinity } = this.#options;
    if (signal?.aborted) return this.cancel(signal.reason);
    const remainingMs = deadline?.remainingMs ?? Infinity;
    if (remainingMs === 0) return this.refuse(this.#timeoutError('deadline', 0));

    this.#started = true;
    this.#startedAt = new Date();
    this.#startedAtMs = now();
    const limitMs = Math.min(timeoutMs, remainingMs);
    if (limitMs !== Infinity) {
      const kind = remainingMs < timeoutMs ? 'deadline' : 'total';
      this.#timer = setTimeout(() => this.#timeOut(this.#timeoutError(kind, limitMs)), limitMs);
    }
    if (signal !== undefined) linkAbort(signal, this);
    if (observed()) emit('task.started', this.#host.name, { id: this.id, task: this.name });

    const own = timeoutMs === Infinity ? deadline : earliest(deadline, Deadline.after(timeoutMs));
    const context = createContext(this.#abort, earliest(own, inherited), this.#execution);
    try {
      this.#work = Promise.resolve(fn(context));
    } catch (error) {
      this.#work = Promise.reject(error);
    }
    this.#work.then(
      (value) => this.#end(() => this.#complete(value)),
      (error: unknown) => this.#end(() => this.#break(error)),
    );
  }

  /** The function has ended. */
  #end(settle: () => void): void {
    settle();
    this.#host.ended?.(this);
    this.#execution.whenSettled(() => this.#host.released(this));
  }

  #neverRan(state: 'failed' | 'cancelled', error: unknown): void {
    if (this.#pending !== undefined) this.#end(() => this.#settle(state, error));
  }

  #complete(value: T): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#close('completed', undefined);
    pending.resolve(value);
    this.#host.settled(this, undefined);
  }

  #break(error: unknown): void {
    if (this.#abort.aborted && isCancellation(error, this.#abort.reason))
      this.#settle('cancelled', this.#abort.reason);
    else this.#settle('failed', error);
  }

  #timeOut(error: TimeoutError): void {
    if (this.#work !== undefined) this.#execution.abandon(this.#work);
    if (observed()) emit('call.abandoned', this.name, { reason: error });
    if (this.#abort.aborted) return this.#settle('cancelled', this.#abort.reason);
    this.#settle('failed', error);
    this.#abort.abort(error);
  }

  #settle(state: 'failed' | 'cancelled', error: unknown): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#close(state, error);
    pending.reject(error);
    this.#host.settled(this, error);
  }

  #close(state: 'completed' | 'failed' | 'cancelled', error: unknown): void {
    this.#pending = undefined;
    this.#state = state;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#options.signal !== undefined) unlinkAbort(this.#options.signal, this);
    if (observed()) {
      const durationMs = now() - this.#startedAtMs;
      const data = { id: this.id, task: this.name, durationMs };
      emit(`task.${state}`, this.#host.name, error === undefined ? data : { ...data, error });
    }
  }

  #timeoutError(kind: 'deadline' | 'total', timeoutMs: number): TimeoutError {
    return new TimeoutError(`Task "${this.name}"`, kind, timeoutMs);
  }
}

const nobody: TaskHost = { name: '', settled: () => {}, released: () => {} };
keepShape(new Task(nobody, () => {}, {}, new Execution(undefined)));
