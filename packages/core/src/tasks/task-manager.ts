/**
 * The owner of background tasks: each is named, counted and removed when it is over; a failure always reaches somebody, and
 * waiting for all of them has an end. The trap: a task that ignores its signal is *leaked*, and all that can be done is to say so.
 */
import {
  ADOPT,
  type Adoptable,
  type Component,
  type Door,
  type DrainOptions,
  type DrainReport,
  type Stats,
} from '../component.ts';
import { ShuttingDownError } from '../errors/lifecycle-errors.ts';
import { TaskLimitError } from '../errors/limit-errors.ts';
import { emit, observed } from '../events/bus.ts';
import {
  checkBoolean,
  checkDelayMs,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptionalFunction,
  checkOptions,
} from '../options/checks.ts';
import { isDevelopment, notify } from '../runtime.ts';
import { Execution, executionOf } from '../signal/execution.ts';
import { IdleLine } from '../signal/idle-line.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { linkAbort } from '../signal/abort-links.ts';
import type { CallOptions, Work } from '../signal/work-context.ts';
import { SpawnStack } from './spawn-stack.ts';
import {
  Task,
  cancelled,
  checkSpawn,
  type SpawnOptions,
  type TaskHandle,
  type TaskHost,
} from './task-handle.ts';

/** Receives the error of a task that failed. */
export type TaskErrorHandler = (error: unknown, task: TaskHandle<unknown>) => void;

/** How a background task is started. */
export interface TaskOptions extends SpawnOptions {
  /** Whether a shutdown waits for the task, or cancels it when the drain begins. @default 'drain' */
  readonly atShutdown?: 'drain' | 'cancel' | undefined;
  /** Receives the error if the task fails, in place of the manager's own handler. */
  readonly onError?: TaskErrorHandler | undefined;
}

/** What became of the tasks that were there during a `waitAll`. */
export interface TasksReport {
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Names of tasks that still run although they were cancelled. */
  readonly leaked: readonly string[];
}

/** How a manager is made. */
export interface TaskManagerOptions {
  /** Names it in events, errors and statistics. @default 'tasks' */
  readonly name?: string | undefined;
  /** How many tasks may run at once; a task counts until nothing of it runs. @default 1000 */
  readonly maxTasks?: number | undefined;
  /**
   * Receives the error of every task that has no handler of its own.
   *
   * @default one console warning for each failure that nobody awaits
   */
  readonly onError?: TaskErrorHandler | undefined;
  /**
   * Whether tasks remember where they were spawned, for handles, failures and warnings. It costs microseconds per task.
   *
   * @default true, except where NODE_ENV is `production` or there is no such thing
   */
  readonly spawnStacks?: boolean | undefined;
}

/** A task that has failed. */
export interface TaskFailure {
  readonly id: number;
  /** Name of the task. */
  readonly task: string;
  readonly error: unknown;
  readonly failedAt: Date;
  readonly spawnStack: string | undefined;
}

/** How many failures a manager remembers. */
const REMEMBERED = 50;

/** How long `waitAll` waits, and how long after it has cancelled. */
export interface WaitAllOptions extends CallOptions {
  /** Longest wait before what is left gets cancelled, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
  /** Longest wait after that, in milliseconds; what runs then is leaked. @default 2_000 */
  readonly graceMs?: number | undefined;
}

/**
 * Starts background tasks and keeps account of them.
 *
 * @example
 * const tasks = new TaskManager({ name: 'mail' });
 * tasks.spawn(({ signal }) => sendWelcome(user, signal), { name: 'welcome' });
 * const { leaked } = await tasks.waitAll({ timeoutMs: 30_000 });
 */
export class TaskManager implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  readonly #host: TaskHost;
  readonly #maxTasks: number;
  readonly #onError: TaskErrorHandler | undefined;
  readonly #spawnStacks: boolean;
  readonly #failures: { readonly task: Task<unknown>; readonly error: unknown; readonly failedAt: Date }[] =
    [];
  readonly #tasks: Map<Task<unknown>, TaskOptions> = new Map<Task<unknown>, TaskOptions>();
  readonly #idle: IdleLine = new IdleLine(() => this.#tasks.size);
  readonly #totals: Record<'completed' | 'failed' | 'cancelled', number> = {
    completed: 0,
    failed: 0,
    cancelled: 0,
  };
  #abort: LazyAbort = new LazyAbort();
  #door: Door | undefined;
  #closed = false;
  #watchesShutdown = false;

  constructor(options: TaskManagerOptions = {}) {
    checkOptions('options', options, ['name', 'maxTasks', 'onError', 'spawnStacks']);
    const { name = 'tasks', maxTasks = 1_000, onError, spawnStacks = isDevelopment() } = options;
    this.name = checkName('name', name);
    this.#maxTasks = checkInteger('maxTasks', maxTasks, 1, true);
    checkOptionalFunction('onError', onError);
    this.#onError = onError;
    this.#spawnStacks = checkBoolean('spawnStacks', spawnStacks);
    this.#host = {
      name: this.name,
      settled: (task, error) => this.#settled(task, error),
      released: (task) => this.#released(task),
    };
  }

  /** How many tasks are not over yet. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Aborts when the manager is cancelled. Tasks that an open manager starts after that belong to a new signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  [ADOPT](door: Door): void {
    this.#door = door;
  }

  /**
   * Starts `fn` at once, synchronously, and returns its handle.
   *
   * @throws TaskLimitError when `maxTasks` are there; ShuttingDownError when closed or when the owning service shuts down.
   * @throws TypeError, RangeError on bad options.
   */
  spawn<T>(fn: Work<T>, options: TaskOptions = {}): TaskHandle<T> {
    checkSpawn(fn, options);
    if (options.atShutdown !== undefined) checkOneOf('atShutdown', options.atShutdown, ['drain', 'cancel']);
    checkOptionalFunction('onError', options.onError);
    const refusal = this.#closed ? new ShuttingDownError(this.name) : this.#door?.refusal(options);
    if (refusal !== undefined) throw refusal;
    if (this.#tasks.size >= this.#maxTasks) throw new TaskLimitError(this.name, this.#maxTasks);

    const execution = new Execution(executionOf(options), this.#door?.owner);
    const spawnStack = this.#spawnStacks ? new SpawnStack() : undefined;
    const task = new Task<T>(this.#host, fn, options, execution, spawnStack);
    this.#tasks.set(task, options);
    if (options.atShutdown === 'cancel') this.#watchShutdown(task);
    task.start(fn);
    return task;
  }

  /** The tasks that are not over yet, oldest first. */
  list(): readonly TaskHandle<unknown>[] {
    return [...this.#tasks.keys()];
  }

  /** The last failures, at most 50, the latest at the end. */
  recentFailures(): readonly TaskFailure[] {
    return this.#failures.map(({ task, error, failedAt }) => ({
      id: task.id,
      task: task.name,
      error,
      failedAt,
      spawnStack: task.spawnStack,
    }));
  }

  /**
   * Waits until no task is left; after `timeoutMs` cancels what is, and gives it `graceMs` to stop. Closes nothing, so it can be
   * called again and again. An abort rejects with its reason and leaves the tasks running.
   *
   * @throws TypeError, RangeError, TimeoutError of kind `deadline` (as rejections).
   */
  async waitAll(options: WaitAllOptions = {}): Promise<TasksReport> {
    checkOptions('options', options);
    const { signal, deadline, timeoutMs = 30_000, graceMs = 2_000 } = options;
    checkDelayMs('graceMs', graceMs, true);
    const before = { ...this.#totals };
    let leaked: readonly string[] = [];
    if (!(await this.#idle.drain({ signal, deadline, timeoutMs })).drained) {
      const asked = this.#cancelAll(cancelled(`Task manager "${this.name}"`));
      await this.#idle.drain({ signal, deadline, timeoutMs: graceMs });
      leaked = asked.filter((task) => this.#tasks.has(task)).map((task) => task.name);
    }
    const report: TasksReport = {
      completed: this.#totals.completed - before.completed,
      failed: this.#totals.failed - before.failed,
      cancelled: this.#totals.cancelled - before.cancelled,
      leaked,
    };
    if (observed()) emit('tasks.waited', this.name, { ...report });
    return report;
  }

  /** Starts no more tasks; those that run go on. */
  close(): void {
    this.#closed = true;
  }

  /** Waits until no task is left, and cancels none. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /** Cancels every task there is. */
  cancel(reason: unknown = cancelled(`Task manager "${this.name}"`)): void {
    const abort = this.#abort;
    if (!this.#closed) this.#abort = new LazyAbort();
    abort.abort(reason);
    this.#cancelAll(reason);
  }

  stats(): Stats {
    return { running: this.#tasks.size, maxTasks: this.#maxTasks, ...this.#totals };
  }

  /** Closes, cancels at once what need not be drained, and waits as `waitAll` does: without delay where all were cancelled before. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    this.#cancelExpendable(cancelled(`Task manager "${this.name}"`));
    const stopping = [...this.#tasks.keys()].every((task) => task.stopping);
    await this.waitAll(stopping ? { timeoutMs: 0 } : {});
  }

  #settled(task: Task<unknown>, error: unknown): void {
    if (task.state === 'running') return;
    this.#totals[task.state] += 1;
    if (task.state !== 'failed') return;
    this.#failures.push({ task, error, failedAt: new Date() });
    if (this.#failures.length > REMEMBERED) this.#failures.shift();
    const onError = this.#tasks.get(task)?.onError ?? this.#onError;
    if (onError !== undefined) notify(onError, error, task);
    else queueMicrotask(() => this.#warn(task, error));
  }

  #released(task: Task<unknown>): void {
    this.#tasks.delete(task);
    this.#idle.settle();
  }

  #cancelAll(reason: unknown): readonly Task<unknown>[] {
    const tasks = [...this.#tasks.keys()];
    for (const task of tasks) task.cancel(reason);
    return tasks;
  }

  #cancelExpendable(reason: unknown): void {
    for (const [task, { atShutdown }] of this.#tasks) if (atShutdown === 'cancel') task.cancel(reason);
  }

  #watchShutdown(task: Task<unknown>): void {
    const signal = this.#door?.signalAt('drain');
    if (signal?.aborted) task.cancel(signal.reason);
    else if (signal !== undefined && !this.#watchesShutdown) {
      this.#watchesShutdown = true;
      linkAbort(signal, { onAbort: (reason) => this.#cancelExpendable(reason) });
    }
  }

  #warn(task: Task<unknown>, error: unknown): void {
    if (task.awaited) return;
    const spawned = task.spawnStack === undefined ? [] : [`\nSpawned\n${task.spawnStack}`];
    console.warn(`Task "${task.name}" of "${this.name}" failed:`, error, ...spawned);
  }
}
