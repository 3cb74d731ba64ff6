/**
 * A bounded pool of threads that run the functions of one module. The limit is true: a thread counts until it has really exited,
 * and a call that nobody waits for any more holds its thread until it ends or the thread is stopped. Threads start when they are
 * needed and end when they have had nothing to do for a while.
 */
import {
  PoolFullError,
  ShuttingDownError,
  TimeoutError,
  WorkerCrashedError,
  type ComponentHealth,
  type DrainOptions,
  type DrainReport,
  type Stats,
} from '@holdfast/core';
import { IdleLine, WaitLine, emit, now, observed, reportError, type Door } from '@holdfast/core/internal';
import { BootGuard } from './boot-guard.ts';
import { PoolCall, whyUnsendable, type CallHost, type PoolCallOptions } from './pool-call.ts';
import { PoolMetrics } from './pool-metrics.ts';
import type { CallReply, PoolThread, ThreadHost } from './pool-thread.ts';
import { ThreadRoster, type RosterOptions } from './thread-roster.ts';

/** How a pool is made; all of it checked. */
export interface ThreadPoolOptions extends RosterOptions {
  readonly maxThreads: number;
  readonly maxQueue: number;
  readonly overflow: 'reject' | 'wait';
}

/** Threads, the calls that wait for one, and the calls that run. */
export class ThreadPool implements ThreadHost, CallHost {
  /** Asked whether new calls may come in. */
  door: Door | undefined;
  readonly #options: ThreadPoolOptions;
  /** While one of them has nothing to do, no call waits. */
  readonly #threads: ThreadRoster;
  readonly #waiting: WaitLine<PoolCall> = new WaitLine<PoolCall>();
  readonly #running: WaitLine<PoolCall> = new WaitLine<PoolCall>();
  readonly #drains: IdleLine = new IdleLine(() => this.#waiting.size + this.#threads.busy.length);
  readonly #guard: BootGuard = new BootGuard();
  readonly #metrics: PoolMetrics = new PoolMetrics();
  #closed = false;
  #ended: (() => void)[] | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    this.#threads = new ThreadRoster(options);
  }

  /** Runs `fn` of the module on a thread; without a name, waits until there is one. */
  submit(fn: string | undefined, args: readonly unknown[], options: PoolCallOptions): Promise<unknown> {
    const refusal = this.#closed ? new ShuttingDownError(this.#options.name) : this.door?.refusal(options);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (options.deadline?.expired) return Promise.reject(new TimeoutError(this.#nameOf(fn), 'deadline', 0));
    return new Promise((resolve, reject) => {
      this.#admit(new PoolCall(this, fn, args, options, resolve, reject));
    });
  }

  /** Accepts no more calls. */
  close(): void {
    this.#closed = true;
  }

  /** Waits until no call waits and no thread is busy. */
  async drain(options?: DrainOptions): Promise<DrainReport> {
    const report = await this.#drains.drain(options);
    return report.drained
      ? report
      : { ...report, leaked: this.#threads.abandoned.map((call) => this.#nameOf(call.fn)) };
  }

  /** Tells every caller at once; threads whose calls do not end within a moment are stopped. */
  cancel(reason: unknown): void {
    for (const call of takeAll(this.#waiting)) call.reject(reason);
    for (const call of takeAll(this.#running)) this.callGivenUp(call, reason);
    this.#drains.settle();
  }

  /** Accepts no more, waits for what was accepted, and ends the threads, once. Nothing is left afterwards. */
  end(): Promise<void> {
    // a second call that told the threads again would cut their modules' clean-up short
    this.#ending ??= this.#end();
    return this.#ending;
  }

  stats(): Stats {
    const { maxThreads, maxQueue } = this.#options;
    return {
      threads: this.#threads.size,
      maxThreads,
      busy: this.#threads.busy.length,
      zombies: this.#threads.abandoned.length,
      waiting: this.#waiting.size,
      maxQueue,
      ...this.#metrics.stats(),
    };
  }

  health(): ComponentHealth {
    const refusal = this.#guard.refusal;
    if (refusal !== undefined) {
      const status = this.#threads.size === 0 ? 'down' : 'degraded';
      return { status, detail: `threads do not start: ${String(refusal.error)}` };
    }
    const zombies = this.#threads.abandoned.length;
    return zombies === 0
      ? { status: 'up' }
      : { status: 'degraded', detail: `${zombies} threads run abandoned calls` };
  }

  callGivenUp(call: PoolCall, reason: unknown): void {
    call.reject(reason);
    if (call.thread === undefined) {
      this.#drains.settle();
      return;
    }
    this.#metrics.abandoned += 1;
    call.abandon();
    call.thread.expire();
    if (observed()) emit('call.abandoned', this.#nameOf(call.fn), { reason });
  }

  callLate(call: PoolCall): void {
    if (call.thread !== undefined) {
      this.callGivenUp(
        call,
        new TimeoutError(this.#nameOf(call.fn), 'total', call.options.timeoutMs ?? Infinity),
      );
      return;
    }
    this.#refuse(call);
    this.#drains.settle();
  }

  threadReady(thread: PoolThread): void {
    this.#threads.started(thread);
    this.#guard.succeeded();
    this.#serve(thread);
  }

  threadReplied(thread: PoolThread, call: PoolCall, reply: CallReply): void {
    if (call.startedAt !== undefined) this.#metrics.ran.record(now() - call.startedAt);
    if (this.#running.remove(call)) this.#metrics[call.settle(reply)] += 1;
    call.over();
    this.#serve(thread);
    this.#drains.settle();
  }

  threadGone(thread: PoolThread, error: unknown, code: number): void {
    const hadStarted = this.#threads.gone(thread);
    const cause = error ?? new Error(`Thread "${thread.name}" exited with code ${code}`);
    if (thread.call !== undefined) this.#crashed(thread.call, cause);
    else if (hadStarted) this.#reportLoss(error);
    else if (this.#ended === undefined) this.#bootFailed(cause);
    this.#grow();
    this.#drains.settle();
    this.#settleEnd();
  }

  #nameOf(fn: string | undefined): string {
    return fn === undefined ? this.#options.name : `${this.#options.name}.${fn}`;
  }

  #admit(call: PoolCall): void {
    const thread = this.#threads.take();
    if (thread !== undefined) {
      if (!this.#begin(call, thread)) this.#serve(thread);
      return;
    }
    const { maxThreads, maxQueue, overflow } = this.#options;
    const { maxWaitMs = Infinity } = call.options;
    const room = this.#threads.size < maxThreads;
    // calls for which a thread is starting have their place
    const full = overflow === 'reject' && this.#waiting.size - this.#threads.booting >= maxQueue;
    if (!room && (full || maxWaitMs === 0)) {
      this.#refuse(call);
      return;
    }
    this.#waiting.join(call, call.options, room ? Infinity : maxWaitMs);
    this.#grow();
  }

  #refuse(call: PoolCall): void {
    const { name, maxQueue, maxThreads } = this.#options;
    const queued = this.#waiting.size;
    this.#metrics.rejected += 1;
    if (observed()) emit('pool.rejected', name, { queued });
    call.reject(new PoolFullError(name, maxQueue, this.#metrics.retryAfterMs(queued, maxThreads)));
  }

  /** Starts threads for those who wait; where none can be started and none is left, nobody waits in vain. */
  #grow(): void {
    while (
      this.#threads.size < this.#options.maxThreads &&
      this.#waiting.size > this.#threads.booting &&
      this.#guard.refusal === undefined
    ) {
      try {
        this.#threads.start(this);
      } catch (error) {
        this.#bootFailed(error);
      }
    }
    const refusal = this.#guard.refusal;
    if (refusal === undefined || this.#threads.size > 0) return;
    for (const call of takeAll(this.#waiting)) call.reject(refusal.error);
  }

  #bootFailed(cause: unknown): void {
    this.#guard.failed(cause);
    // while other threads live the call waits for them
    if (this.#threads.size === this.#threads.booting) this.#waiting.shift()?.reject(cause);
  }

  /** Gives a thread its next call, or lets it rest. */
  #serve(thread: PoolThread): void {
    for (const call of takeAll(this.#waiting)) if (this.#begin(call, thread)) return;
    if (this.#ended === undefined) this.#threads.rest(thread);
    else thread.end();
  }

  #begin(call: PoolCall, thread: PoolThread): boolean {
    try {
      thread.run(call);
    } catch (error) {
      call.reject(whyUnsendable(call, error));
      return false;
    }
    const startedAt = now();
    call.thread = thread;
    if (call.startedAt === undefined) this.#metrics.waited.record(startedAt - call.enqueuedAt);
    call.startedAt ??= startedAt;
    this.#running.join(call, call.options, call.remainingMs);
    return true;
  }

  #crashed(call: PoolCall, cause: unknown): void {
    call.thread = undefined;
    if (this.#running.remove(call)) {
      this.#metrics.crashed += 1;
      const error = new WorkerCrashedError(this.#options.name, cause);
      if (observed()) emit('pool.thread-crashed', this.#options.name, { fn: call.fn, error });
      if (call.retry()) this.#waiting.join(call, call.options, Infinity);
      else call.reject(error);
    }
    call.over();
  }

  /** A thread died while it had nothing to do: an exception after a call had ended, or a clean-up that failed. */
  #reportLoss(error: unknown): void {
    if (error === undefined) return;
    const lost = new WorkerCrashedError(this.#options.name, error);
    if (observed()) emit('pool.thread-crashed', this.#options.name, { fn: undefined, error: lost });
    else reportError(lost);
  }

  async #end(): Promise<void> {
    this.close();
    await this.#drains.drain();
    await new Promise<void>((resolve) => {
      (this.#ended ??= []).push(resolve);
      this.#threads.end();
      this.#settleEnd();
    });
  }

  #settleEnd(): void {
    if (this.#threads.size > 0) return;
    for (const resolve of this.#ended?.splice(0) ?? []) resolve();
  }
}

/** Takes calls out of a line, one for each turn of the caller's loop. */
function* takeAll(line: WaitLine<PoolCall>): Iterable<PoolCall> {
  for (let call = line.shift(); call !== undefined; call = line.shift()) yield call;
}
