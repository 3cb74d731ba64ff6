/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What consumers and producers have in common: they run until they are stopped, their caller leaves, or the queue ends; they can
 * pause; and they end exactly once. A loop that ends by an error says so in `done`, in the health of its queue and in an event.
 */
import { TimeoutError } from '../errors/timeout-error.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import type { CallOptions } from '../signal/work-context.ts';
import type { Door } from '../component.ts';

/** A consumer or a producer at work. Disposing it stops it. */
export interface QueueLoop extends AsyncDisposable {
  /** Whether it takes new work, or would if it were not paused. */
  readonly running: boolean;
  /** How many items it has in hand. */
  readonly inFlight: number;
  /** Takes nothing new until `resume`; what is in flight goes on. */
  pause(): void;
  /** Goes on after `pause`. */
  resume(): void;
  /** Takes no more; resolves when nothing is in flight. */
  stop(): Promise<void>;
  /** Settles when the loop has ended; rejects only with the error that `onError: 'stop'` ended it with. Always handled. */
  readonly done: Promise<void>;
}

/** What a loop needs of its queue. */
export interface LoopHost {
  /** Names the queue. */
  readonly name: string;
  readonly door: Door | undefined;
  /** The loop began. */
  joined(loop: Loop): void;
  /** The loop ended, by `fault` where that was an error nobody expected. */
  left(loop: Loop, fault: LoopFault | undefined): void;
  /** Something left the hands of a loop. */
  settle(): void;
}

/** Why a loop ended before its time. */
export interface LoopFault {
  readonly error: unknown;
  /** Whether the loop was told to stop on errors: then the queue is not ready without it. */
  readonly fatal: boolean;
}

/** Which way items go through a loop. */
export type LoopKind = 'consumer' | 'producer';

/** A loop of one queue, of whatever kind: `H` is what it needs of it. */
export abstract class Loop<H extends LoopHost = LoopHost> implements QueueLoop, AbortListener {
  abstract readonly kind: LoopKind;
  readonly done: Promise<void>;
  protected readonly host: H;
  readonly #options: CallOptions;
  readonly #over: Promise<void>;
  #settle: ((fault: LoopFault | undefined) => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = true;
  #paused = false;

  constructor(host: H, options: CallOptions) {
    this.host = host;
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#settle = (fault) => (fault?.fatal ? reject(fault.error) : resolve());
    });
    this.#over = this.done.catch(() => {});
  }

  /** Names it in reports. */
  get name(): string {
    return `${this.kind} of queue "${this.host.name}"`;
  }

  /** How many items it has in hand. */
  abstract readonly inFlight: number;

  /** How many of them a drain waits for. */
  abstract readonly unfinished: number;

  get running(): boolean {
    return this.#running;
  }

  /** Whether it may take something new now. */
  get taking(): boolean {
    return this.#running && !this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.onPause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#running) this.onResume();
  }

  stop(): Promise<void> {
    this.halt(undefined);
    return this.#over;
  }

  /** The caller left: ends what is in flight too. */
  onAbort(reason: unknown): void {
    this.cancel(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The queue has a service now. */
  adopted(): void {}

  /** Takes no more. `reason` is what work that waits for something new is aborted with. */
  halt(reason: unknown): void {
    if (!this.#running) return;
    this.#running = false;
    this.onHalt(reason);
  }

  /** Takes no more, and aborts what is in flight. */
  cancel(reason: unknown): void {
    this.halt(reason);
    this.onCancel(reason);
  }

  protected abstract onPause(): void;
  protected abstract onResume(): void;
  protected abstract onHalt(reason: unknown): void;
  protected abstract onCancel(reason: unknown): void;

  /** Begins; a caller who has left already ends it at once. */
  protected begin(): void {
    this.host.joined(this);
    const { signal, deadline } = this.#options;
    if (signal?.aborted) {
      this.cancel(signal.reason);
      return;
    }
    if (signal !== undefined) linkAbort(signal, this);
    const remainingMs = deadline?.remainingMs ?? Infinity;
    if (remainingMs === Infinity) return;
    this.#timer = setTimeout(
      () => this.cancel(new TimeoutError(`The ${this.name}`, 'deadline', remainingMs)),
      remainingMs,
    );
  }

  /** Has ended; counts once. */
  protected end(fault: LoopFault | undefined): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.#running = false;
    clearTimeout(this.#timer);
    if (this.#options.signal !== undefined) unlinkAbort(this.#options.signal, this);
    this.host.left(this, fault);
    settle(fault);
  }
}
