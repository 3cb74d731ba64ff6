/**
 * Work a request leaves behind: a task of the service, so it is counted, named and drained, with the task's own signal. The
 * caller's leaving does not end it unless asked to, and what waits for the response starts however the response ended.
 */
import { DisconnectedError } from '../errors/lifecycle-errors.ts';
import { checkFunction, checkOneOf, checkTimeoutMs } from '../options/checks.ts';
import { notify } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { call } from '../signal/call.ts';
import { EXECUTION, Execution } from '../signal/execution.ts';
import { checkCallOptions, type Work, type WorkContext } from '../signal/work-context.ts';
import type { TaskHandle } from '../tasks/task-handle.ts';
import type { TaskManager, TaskOptions } from '../tasks/task-manager.ts';

/** How background work of a request is started. */
export interface BackgroundOptions extends TaskOptions {
  /** When it starts: at once, or when the response has ended, however it ended. `timeoutMs` counts from there. @default 'now' */
  readonly after?: 'now' | 'response' | undefined;
  /** What the caller's leaving means to it. @default 'continue' */
  readonly onDisconnect?: 'continue' | 'cancel' | undefined;
}

/** What background work needs to know of its scope. */
export interface Lifetime {
  /** Whether the response has ended. */
  readonly over: boolean;
  /** Whether it ended by the caller's leaving. */
  readonly disconnected: boolean;
  /** Calls back once, when the response ends. */
  atEnd(callback: () => void): void;
  notAtEnd(callback: () => void): void;
}

/** Starts `fn` as a task that belongs to the service and not to the request. */
export function spawnBackground<T>(
  lifetime: Lifetime,
  tasks: TaskManager,
  owner: object,
  waitUntil: ((promise: Promise<unknown>) => void) | undefined,
  fn: Work<T>,
  options: BackgroundOptions,
): TaskHandle<T> {
  checkFunction('fn', fn);
  checkCallOptions(options);
  const { after = 'now', onDisconnect = 'continue', timeoutMs, ...rest } = options;
  checkOneOf('after', after, ['now', 'response']);
  checkOneOf('onDisconnect', onDisconnect, ['continue', 'cancel']);
  if (timeoutMs !== undefined) checkTimeoutMs('timeoutMs', timeoutMs);

  const waits = after === 'response' && !lifetime.over;
  let running = true;
  const whenEnded: (() => void)[] = [];
  const work: Work<T> = async (ctx) => {
    try {
      if (!waits) return await fn(ctx);
      await new ResponseEnd(lifetime, ctx.signal).wait();
      return await call(fn, timeoutMs === undefined ? ctx : { ...ctx, timeoutMs });
    } finally {
      running = false;
      for (const callback of whenEnded) callback();
    }
  };
  const spawning = {
    ...rest,
    name: rest.name ?? (fn.name || 'background'),
    timeoutMs: waits ? undefined : timeoutMs,
    [EXECUTION]: new Execution(undefined, owner),
  };
  const task = tasks.spawn(work, spawning);
  if (task.state !== 'running') running = false; // it was over before it began
  if (running && onDisconnect === 'cancel') {
    const atEnd = (): void => {
      if (lifetime.disconnected) task.cancel(new DisconnectedError());
    };
    if (lifetime.over) atEnd();
    else {
      lifetime.atEnd(atEnd);
      whenEnded.push(() => lifetime.notAtEnd(atEnd));
    }
  }
  if (waitUntil !== undefined) {
    const ended = running ? new Promise<void>((resolve) => whenEnded.push(resolve)) : Promise.resolve();
    notify(waitUntil, ended);
  }
  return task;
}

/** Waits for the end of a response, or for the abort of the task that waits. */
class ResponseEnd implements AbortListener {
  readonly #lifetime: Lifetime;
  readonly #signal: WorkContext['signal'];
  #resolve: (() => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(lifetime: Lifetime, signal: AbortSignal) {
    this.#lifetime = lifetime;
    this.#signal = signal;
  }

  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#lifetime.atEnd(this.#ended);
      linkAbort(this.#signal, this);
    });
  }

  onAbort(reason: unknown): void {
    this.#lifetime.notAtEnd(this.#ended);
    this.#reject?.(reason);
  }

  readonly #ended = (): void => {
    unlinkAbort(this.#signal, this);
    this.#resolve?.();
  };
}
