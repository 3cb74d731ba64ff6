/**
 * A bounded pool of threads that run the functions of one module. The limit is true: a thread counts until it has really exited,
 * and a call that nobody waits for any more holds its thread until it ends or the thread is stopped. Threads start when they are
 * needed and end when they have had nothing to do for a while.
 */
import {
  PayloadInvalidError,
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
import { findUncloneable, isCloneable } from './cloneable.ts';
import { unpackError } from './packed-error.ts';
import { PoolCall, type CallHost, type PoolCallOptions } from './pool-call.ts';
import { PoolMetrics } from './pool-metrics.ts';
import { PoolThread, type CallReply, type ThreadHost } from './pool-thread.ts';

/** How a pool is made; all of it checked. */
export interface ThreadPoolOptions {
  readonly name: string;
  readonly url: string;
  readonly maxThreads: number;
  readonly maxQueue: number;
  readonly overflow: 'reject' | 'wait';
  readonly idleMs: number;
  readonly setupData: unknown;
}

/** Threads, the calls that wait for one, and the calls that run. */
export class ThreadPool implements ThreadHost, CallHost {
  /** Asked whether new calls may come in. */
  door: Door | undefined;
  readonly #options: ThreadPoolOptions;
  readonly #threads: Map<number, PoolThread> = new Map<number, PoolThread>();
  readonly #booting: Set<PoolThread> = new Set<PoolThread>();
  /** Threads with nothing to do, the one that rests longest first. While there is one, no call waits. */
  #idle: PoolThread[] = [];
  readonly #waiting: WaitLine<PoolCall> = new WaitLine<PoolCall>();
  readonly #running: WaitLine<PoolCall> = new WaitLine<PoolCall>();
  readonly #drains: IdleLine = new IdleLine(() => this.#waiting.size + this.#busy.length);
  readonly #guard: BootGuard = new BootGuard();
  readonly #metrics: PoolMetrics = new PoolMetrics();
  #sweep: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #ended: (() => void)[] | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
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
      : { ...report, leaked: this.#abandoned.map((call) => this.#nameOf(call.fn)) };
  }

  /** Tells every caller at once; threads whose calls do not end within a moment are stopped. */
  cancel(reason: unknown): void {
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift())
      call.reject(reason);
    for (let call = this.#running.shift(); call !== undefined; call = this.#running.shift()) {
      this.callGivenUp(call, reason);
    }
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
      busy: this.#busy.length,
      zombies: this.#abandoned.length,
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
    const zombies = this.#abandoned.length;
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
    this.#booting.delete(thread);
    this.#guard.succeeded();
    this.#serve(thread);
  }

  threadReplied(thread: PoolThread, call: PoolCall, reply: CallReply): void {
    if (call.startedAt !== undefined) this.#metrics.ran.record(now() - call.startedAt);
    if (this.#running.remove(call)) this.#settle(call, reply);
    call.over();
    this.#serve(thread);
    this.#drains.settle();
  }

  threadGone(thread: PoolThread, error: unknown, code: number): void {
    this.#threads.delete(thread.number);
    this.#idle = this.#idle.filter((other) => other !== thread);
    const cause = error ?? new Error(`Thread "${thread.name}" exited with code ${code}`);
    if (thread.call !== undefined) this.#crashed(thread.call, cause);
    else if (!this.#booting.delete(thread)) this.#reportLoss(error);
    else if (this.#ended === undefined) this.#bootFailed(cause);
    this.#grow();
    this.#drains.settle();
    this.#settleEnd();
  }

  /** Threads that have a call. */
  get #busy(): readonly PoolThread[] {
    return [...this.#threads.values()].filter((thread) => thread.call !== undefined);
  }

  /** Calls that still run although their callers were told. */
  get #abandoned(): readonly PoolCall[] {
    return this.#busy.flatMap(({ call }) => (call === undefined || call.line !== undefined ? [] : [call]));
  }

  #nameOf(fn: string | undefined): string {
    return fn === undefined ? this.#options.name : `${this.#options.name}.${fn}`;
  }

  #admit(call: PoolCall): void {
    const thread = this.#idle.pop();
    if (thread !== undefined) {
      thread.wake();
      if (!this.#begin(call, thread)) this.#serve(thread);
      return;
    }
    const { maxThreads, maxQueue, overflow } = this.#options;
    const { maxWaitMs = Infinity } = call.options;
    const room = this.#threads.size < maxThreads;
    // calls for which a thread is starting have their place
    const full = overflow === 'reject' && this.#waiting.size - this.#booting.size >= maxQueue;
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
      this.#waiting.size > this.#booting.size &&
      this.#guard.refusal === undefined
    ) {
      try {
        this.#spawn();
      } catch (error) {
        this.#bootFailed(error);
      }
    }
    const refusal = this.#guard.refusal;
    if (refusal === undefined || this.#threads.size > 0) return;
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift())
      call.reject(refusal.error);
  }

  #spawn(): void {
    const { name, url, setupData } = this.#options;
    let number = 1;
    while (this.#threads.has(number)) number += 1;
    const thread = new PoolThread(this, number, { name: `${name}-${number}`, url, setupData });
    this.#threads.set(number, thread);
    this.#booting.add(thread);
  }

  #bootFailed(cause: unknown): void {
    this.#guard.failed(cause);
    // while other threads live the call waits for them
    if (this.#threads.size === this.#booting.size) this.#waiting.shift()?.reject(cause);
  }

  /** Gives a thread its next call, or lets it rest. */
  #serve(thread: PoolThread): void {
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift()) {
      if (this.#begin(call, thread)) return;
    }
    thread.rest();
    this.#idle.push(thread);
    if (this.#ended !== undefined) thread.end();
    else this.#scheduleSweep(this.#options.idleMs);
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

  #settle(call: PoolCall, reply: CallReply): void {
    if (reply.kind === 'value') {
      this.#metrics.completed += 1;
      call.resolve(reply.value);
      return;
    }
    this.#metrics.failed += 1;
    if (reply.kind === 'error') call.reject(unpackError(reply.error));
    else call.reject(new PayloadInvalidError(reply.found.path, reply.found.why));
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

  #scheduleSweep(delayMs: number): void {
    if (delayMs === Infinity) return;
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      this.#endIdle();
    }, delayMs).unref();
  }

  #endIdle(): void {
    const { idleMs } = this.#options;
    const done = this.#idle.filter((thread) => thread.idleMs >= idleMs);
    this.#idle = this.#idle.filter((thread) => !done.includes(thread));
    for (const thread of done) thread.end();
    const [oldest] = this.#idle;
    if (oldest !== undefined) this.#scheduleSweep(Math.max(1, idleMs - oldest.idleMs));
  }

  async #end(): Promise<void> {
    this.close();
    await this.#drains.drain();
    clearTimeout(this.#sweep);
    this.#idle = [];
    await new Promise<void>((resolve) => {
      (this.#ended ??= []).push(resolve);
      for (const thread of this.#threads.values()) thread.end();
      this.#settleEnd();
    });
  }

  #settleEnd(): void {
    if (this.#threads.size > 0) return;
    for (const resolve of this.#ended?.splice(0) ?? []) resolve();
  }
}

/** Why a call could not be sent to its thread: an argument that cannot be copied, or a buffer that cannot move. */
function whyUnsendable({ args }: PoolCall, error: unknown): PayloadInvalidError {
  if (isCloneable(args)) return new PayloadInvalidError('transfer', `was refused: ${String(error)}`);
  const { path, why } = findUncloneable(args, 'args');
  return new PayloadInvalidError(path, why);
}
