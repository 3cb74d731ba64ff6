/**
 * One thread of a pool, from its start to its exit. It tells its pool when it is ready, what a call came to, and that it is gone;
 * until then it counts, whatever it was told to do: code inside a native call cannot be stopped, only waited for.
 */
import { Worker } from 'node:worker_threads';
import { TimeoutError } from '@holdfast/core';
import { now } from '@holdfast/core/internal';
import { unpackError } from './packed-error.ts';
import type { PoolCall } from './pool-call.ts';
import type { Order, Reply, ThreadData } from './protocol.ts';
import { threadEnded, threadStarted } from './running-threads.ts';

/** How long a thread may take to load its module and set it up. */
const BOOT_LIMIT_MS = 30_000;
/** How long a call that nobody waits for any more may go on before its thread is stopped. */
const GRACE_MS = 250;
/** How long what `setup` returned may take. */
const CLEANUP_LIMIT_MS = 1_000;

// Run from its sources, as by a test runner, the pool takes the built thread: Node 20 runs no TypeScript.
const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/bridge/thread.js' : './thread.js',
  import.meta.url,
);

/** The outcome of a call, as its thread reports it. */
export type CallReply = Extract<Reply, { kind: 'value' | 'error' | 'uncloneable' }>;

/** The pool, as its threads see it. */
export interface ThreadHost {
  /** The thread can take a call. */
  threadReady(thread: PoolThread): void;
  /** The call of the thread is over. */
  threadReplied(thread: PoolThread, call: PoolCall, reply: CallReply): void;
  /** The thread is gone. `error` is why, where that is known; `code` its exit code. */
  threadGone(thread: PoolThread, error: unknown, code: number): void;
}

/** A worker thread with the module of its pool inside. */
export class PoolThread {
  readonly name: string;
  /** Its place among the threads of its pool, from 1. */
  readonly number: number;
  readonly #host: ThreadHost;
  readonly #worker: Worker;
  #state: 'booting' | 'ready' | 'ending' = 'booting';
  #timer: ReturnType<typeof setTimeout> | undefined;
  #call: PoolCall | undefined;
  #cleans = false;
  #abandoned = false;
  #error: unknown;
  #idleSince = 0;

  constructor(host: ThreadHost, number: number, data: ThreadData) {
    this.name = data.name;
    this.number = number;
    this.#host = host;
    this.#worker = new Worker(ENTRY, { name: data.name, workerData: data });
    threadStarted(this);
    this.#worker.on('message', (reply: Reply) => this.#heard(reply));
    this.#worker.on('messageerror', (error) => this.#fail(error));
    this.#worker.on('error', (error) => (this.#error ??= error));
    this.#worker.on('exit', (code) => this.#gone(code));
    this.#timer = setTimeout(
      () => this.#fail(new TimeoutError(`Starting thread "${this.name}"`, 'total', BOOT_LIMIT_MS)),
      BOOT_LIMIT_MS,
    );
  }

  /** What it is doing. */
  get call(): PoolCall | undefined {
    return this.#call;
  }

  /** How long it has had nothing to do, in milliseconds. */
  get idleMs(): number {
    return now() - this.#idleSince;
  }

  /** Starts a call. Throws where its arguments cannot be sent; the thread is as before then. */
  run(call: PoolCall): void {
    const order: Order = [call.fn, call.args];
    this.#worker.postMessage(order, call.options.transfer ?? []);
    this.#call = call;
  }

  /** It has nothing to do: the process may end. */
  rest(): void {
    this.#idleSince = now();
    this.#worker.unref();
  }

  /** It has something to do again. */
  wake(): void {
    this.#worker.ref();
  }

  /** Nobody waits for its call any more: it may finish within a moment, else the thread is stopped. */
  expire(): void {
    this.#timer ??= setTimeout(() => this.stop(), GRACE_MS);
  }

  /** Stops the thread, now if it can be stopped. */
  stop(): void {
    this.#state = 'ending';
    this.#disarm();
    void this.#worker.terminate();
  }

  /** Stops the thread if it can be stopped, and tells nobody: the process ends. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    this.#disarm();
    this.#worker.removeAllListeners();
    this.#worker.once('exit', () => threadEnded(this)).on('error', () => {});
    void this.#worker.terminate();
  }

  /** Lets the module clean up first; only for a thread that has nothing to do. */
  end(): void {
    if (!this.#cleans || this.#state === 'ending') {
      this.stop();
      return;
    }
    this.#state = 'ending';
    this.wake();
    this.#worker.postMessage('end' satisfies Order);
    this.#timer = setTimeout(() => this.stop(), CLEANUP_LIMIT_MS);
  }

  #heard(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        if (this.#state !== 'booting') return;
        this.#disarm();
        this.#state = 'ready';
        this.#cleans = reply.cleans;
        this.#host.threadReady(this);
        return;
      case 'unready':
        this.#fail(unpackError(reply.error));
        return;
      case 'ended':
        if (reply.error !== undefined) this.#error = unpackError(reply.error);
        this.stop();
        return;
      default:
        this.#replied(reply);
    }
  }

  #replied(reply: CallReply): void {
    const call = this.#call;
    if (call === undefined || this.#state !== 'ready') return;
    this.#disarm();
    this.#call = undefined;
    this.#host.threadReplied(this, call, reply);
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.stop();
  }

  #gone(code: number): void {
    this.#disarm();
    threadEnded(this);
    this.#host.threadGone(this, this.#error, code);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
