/**
 * Structured concurrency: what is started in a group ends before the group does. The first failure cancels the rest, and the group
 * waits for all of them before it throws. The trap: a task that ignores its signal keeps its group open for as long as it runs.
 */
import { Semaphore } from '../concurrency/semaphore.ts';
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { SiblingFailedError, TaskGroupClosedError } from '../errors/lifecycle-errors.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkFunction, checkInteger, checkName, checkOptions, checkTimeoutMs } from '../options/checks.ts';
import { keepShape } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { call } from '../signal/call.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { EXECUTION, Execution, executionOf } from '../signal/execution.ts';
import { IdleLine } from '../signal/idle-line.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { checkCallOptions, type Awaitable, type Work, type WorkContext } from '../signal/work-context.ts';
import {
  Task,
  cancelled,
  checkSpawn,
  isCancellation,
  type SpawnOptions,
  type TaskHandle,
  type TaskHost,
} from './task-handle.ts';

/** How a group is made: `signal` cancels all of it, `deadline` and `timeoutMs` end it with a TimeoutError. */
export interface TaskGroupOptions extends SpawnOptions {
  /** Names the group in events and errors. @default 'group' */
  readonly name?: string | undefined;
  /** How many of its tasks may run at once; the others wait for their turn, first come, first served. @default Infinity */
  readonly concurrency?: number | undefined;
}

/** How long shielded work may take. */
export interface ShieldOptions {
  /** Longest time in milliseconds. @default 5_000 */
  readonly timeoutMs?: number | undefined;
}

interface Failure {
  readonly error: unknown;
  readonly task?: Task<unknown>;
}

/**
 * Tasks that belong together and fail together. A group is itself a context: pass it on to what its body calls.
 *
 * @example
 * const [user, orders] = await TaskGroup.run(async (group) => {
 *   const user = group.spawn(({ signal }) => loadUser(id, signal));
 *   const orders = group.spawn(({ signal }) => loadOrders(id, signal));
 *   return [await user, await orders];
 * }, { timeoutMs: 5_000 });
 */
export class TaskGroup implements WorkContext, AsyncDisposable {
  /** Aborts when the group is to stop; its reason says why. */
  declare readonly signal: AbortSignal;
  /** When the group's time is over. */
  readonly deadline: Deadline | undefined;
  readonly [EXECUTION]: Execution;
  readonly #name: string;
  readonly #callerSignal: AbortSignal | undefined;
  readonly #timeoutError: () => TimeoutError;
  readonly #host: TaskHost;
  readonly #limit: Semaphore | undefined;
  readonly #permits: Map<Task<unknown>, Disposable> = new Map<Task<unknown>, Disposable>();
  readonly #children: Set<Task<unknown>> = new Set<Task<unknown>>();
  readonly #idle: IdleLine = new IdleLine(() => this.#children.size + this.#shielded);
  readonly #abort: LazyAbort = new LazyAbort();
  readonly #caller: AbortListener = { onAbort: (reason) => this.#interrupt(reason) };
  readonly #refusals: WeakSet<object> = new WeakSet();
  readonly #failures: Failure[] = [];
  #interruption: Failure | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #joined: Promise<void> | undefined;
  #shielded = 0;
  #armed = false;
  #ended = false;

  /**
   * A group that lives as long as the block that declares it: `await using group = new TaskGroup()` cancels what is left at the
   * block's end. Call `join()` at the end of the block to wait for it instead.
   *
   * @throws TypeError, RangeError on bad options.
   */
  constructor(options: TaskGroupOptions = {}) {
    checkCallOptions(options);
    const { name = 'group', timeoutMs = Infinity, concurrency = Infinity, signal, deadline } = options;
    this.#name = checkName('name', name);
    checkTimeoutMs('timeoutMs', timeoutMs);
    checkInteger('concurrency', concurrency, 1, true);
    if (concurrency !== Infinity) this.#limit = new Semaphore({ name, maxConcurrent: concurrency });
    this.#callerSignal = signal;
    const own = timeoutMs === Infinity ? undefined : Deadline.after(timeoutMs);
    this.deadline = earliest(own, deadline);
    const kind = this.deadline === own ? 'total' : 'deadline';
    const limitMs = this.deadline?.remainingMs ?? Infinity;
    this.#timeoutError = () => new TimeoutError(`Task group "${name}"`, kind, limitMs);
    this[EXECUTION] = new Execution(executionOf(options));
    this.#host = {
      name,
      settled: (task, error) => {
        if (task.state === 'failed') this.#fail({ error, task });
      },
      ended: (task) => {
        this.#children.delete(task);
        this.#idle.settle();
      },
      released: (task) => {
        this.#permits.get(task)?.[Symbol.dispose]();
        this.#permits.delete(task);
      },
    };
    Object.defineProperty(this, 'signal', {
      enumerable: true,
      get: () => {
        this.#arm();
        return this.#abort.signal;
      },
    });
  }

  /**
   * Runs `body` with a new group, and resolves with its value when everything in the group has ended. Where `group.cancel()` ended
   * the body too, the value is `undefined`.
   *
   * @throws AggregateError of all failures in their order, also of a single one; `cause` is the first.
   * @throws the reason of `signal`, or a TimeoutError when time is over, where nothing failed.
   */
  static async run<T>(body: (group: TaskGroup) => Awaitable<T>, options: TaskGroupOptions = {}): Promise<T> {
    checkFunction('body', body);
    const group = new TaskGroup(options);
    group.#arm();
    let value: T | undefined;
    if (group.#interruption === undefined) {
      try {
        value = await body(group);
      } catch (error) {
        group.#bodyFailed(error);
      }
    }
    await group.join();
    // the body has returned it, or was ended by `cancel`, as documented
    return value as T;
  }

  /**
   * Starts `fn` at once, synchronously, or as soon as `concurrency` allows.
   *
   * @throws TaskGroupClosedError once the group has ended, failed or been cancelled.
   * @throws TypeError, RangeError on bad options.
   */
  spawn<T>(fn: Work<T>, options: SpawnOptions = {}): TaskHandle<T> {
    checkSpawn(fn, options);
    this.#arm();
    if (this.#ended || this.#abort.aborted) throw this.#refuse();
    const task = new Task<T>(this.#host, fn, options, new Execution(executionOf(options) ?? this[EXECUTION]));
    this.#children.add(task);
    if (this.#limit === undefined) task.start(fn, this.deadline);
    else this.#startInTurn(task, fn, options, this.#limit);
    return task;
  }

  /**
   * Runs clean-up that the group's own end must not interrupt: its signal aborts only at `timeoutMs`. The group waits for it.
   *
   * @throws TimeoutError when `timeoutMs` has passed.
   * @throws TaskGroupClosedError once the group has ended.
   */
  async shield<T>(fn: Work<T>, options: ShieldOptions = {}): Promise<T> {
    checkFunction('fn', fn);
    checkOptions('options', options);
    const { timeoutMs = 5_000 } = options;
    checkTimeoutMs('timeoutMs', timeoutMs);
    if (this.#ended) throw this.#refuse();
    this.#shielded += 1;
    try {
      return await call(fn, { timeoutMs, name: 'Shielded work', execution: new Execution(this[EXECUTION]) });
    } finally {
      this.#shielded -= 1;
      this.#idle.settle();
    }
  }

  /** Cancels what runs. The group then ends without an error, unless something fails while it stops. */
  cancel(reason: unknown = cancelled(`Task group "${this.#name}"`)): void {
    this.#stop(reason);
  }

  /**
   * Waits until everything in the group has ended, and ends the group.
   *
   * @throws what `TaskGroup.run` throws.
   */
  join(): Promise<void> {
    this.#joined ??= this.#end().then(() => this.#answer(this.#failures, this.#interruption));
    return this.#joined;
  }

  /**
   * Cancels what is left and waits for it; after `join()`, only waits.
   *
   * @throws AggregateError of the failures that nobody who awaited a handle has got.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#joined !== undefined) {
      await this.#joined.catch(() => {});
      return;
    }
    this.cancel();
    await this.#end();
    this.#answer(this.#failures.filter(({ task }) => !task?.awaited));
  }

  #startInTurn<T>(task: Task<T>, fn: Work<T>, { signal, deadline }: SpawnOptions, limit: Semaphore): void {
    const begin = (permit: Disposable): void => {
      if (task.state !== 'running') return permit[Symbol.dispose]();
      this.#permits.set(task, permit);
      task.start(fn, this.deadline);
    };
    const permit = limit.tryAcquire();
    if (permit !== undefined) return begin(permit);
    if (signal !== undefined) {
      if (signal.aborted) return task.cancel(signal.reason);
      linkAbort(signal, task);
    }
    limit.acquire({ deadline }).then(begin, (error: unknown) => task.refuse(error));
  }

  #bodyFailed(error: unknown): void {
    const ended = this.#abort.aborted && isCancellation(error, this.#abort.reason);
    if (!ended && !this.#failures.some((failure) => failure.error === error)) this.#fail({ error });
  }

  #fail(failure: Failure): void {
    const { error } = failure;
    if (typeof error === 'object' && error !== null && this.#refusals.has(error)) return;
    if (this.#isOutOfTime(error)) return this.#interrupt(this.#timeoutError());
    this.#failures.push(failure);
    this.#stop(new SiblingFailedError(error));
  }

  /** Whether work has noticed, a moment before the group's own timer, that the group's time is over. */
  #isOutOfTime(error: unknown): boolean {
    if (this.deadline === undefined || this.deadline.remainingMs > 1) return false;
    return isHoldfastError(error, 'TIMEOUT') && error.kind === 'deadline';
  }

  #refuse(): TaskGroupClosedError {
    const error = new TaskGroupClosedError(this.#name);
    this.#refusals.add(error);
    return error;
  }

  /** Starts what may end the group from outside; not before there is something to end, so that constructing it costs nothing. */
  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    const signal = this.#callerSignal;
    if (signal?.aborted) return this.#interrupt(signal.reason);
    if (this.deadline?.expired) return this.#interrupt(this.#timeoutError());
    if (signal !== undefined) linkAbort(signal, this.#caller);
    const { remainingMs = Infinity } = this.deadline ?? {};
    if (remainingMs === Infinity) return;
    this.#timer = setTimeout(() => this.#interrupt(this.#timeoutError()), remainingMs);
  }

  #interrupt(reason: unknown): void {
    this.#interruption ??= { error: reason };
    this.#stop(reason);
  }

  #stop(reason: unknown): void {
    if (this.#abort.aborted) return;
    this.#abort.abort(reason);
    for (const task of this.#children) task.cancel(reason);
    this.#limit?.cancel(reason);
  }

  async #end(): Promise<void> {
    this.#arm();
    while (this.#children.size + this.#shielded > 0) await this.#idle.drain();
    this.#ended = true;
    clearTimeout(this.#timer);
    if (this.#callerSignal !== undefined) unlinkAbort(this.#callerSignal, this.#caller);
  }

  #answer(failures: readonly Failure[], interruption?: Failure): void {
    const [first] = failures;
    if (first !== undefined) {
      const errors = failures.map(({ error }) => error);
      throw new AggregateError(errors, `Task group "${this.#name}" failed`, { cause: first.error });
    }
    if (interruption !== undefined) throw interruption.error;
  }
}

keepShape(new TaskGroup());
