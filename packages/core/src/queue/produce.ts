/**
 * The producer of a queue: takes items from a source and puts them, waiting while the queue is full, until it is stopped, the
 * source or the queue ends, or its service begins to shut down. A source that fails is asked again after a pause; a failure never
 * ends the loop in silence. The trap: a function can be told to stop, an iterator only asked; the item of one that takes longer
 * than a second after that is lost, and said so.
 */
import { emit, observed } from '../events/bus.ts';
import { checkDelayMs, checkOneOf } from '../options/checks.ts';
import { notify, reportError, yieldToLoop } from '../runtime.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Execution, executionOf } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { sleep } from '../signal/sleep.ts';
import { checkCallOptions, createContext, type Awaitable, type CallOptions } from '../signal/work-context.ts';
import { ADMITTED } from './channel.ts';
import { FairShare } from './fair-share.ts';
import { Faults } from './faults.ts';
import { Loop, type LoopFault, type LoopHost } from './queue-loop.ts';
import { FINISHED, NOTHING, feedOf, type Feed, type Source } from './source.ts';

/** What a producer does about a source that fails: go on after a pause, end itself, or tell a function and go on. */
export type ProduceErrorPolicy = 'continue' | 'stop' | ((error: unknown) => Awaitable<void>);

/** How a queue is filled. The signal ends the loop. */
export interface ProduceOptions extends CallOptions {
  /** How long to sleep when the source has nothing now, in milliseconds. @default 100 */
  readonly idleMs?: number | undefined;
  /** How long to sleep after the source failed, in milliseconds. @default 1000 */
  readonly errorDelayMs?: number | undefined;
  /** What becomes of a failure of the source. @default 'continue' */
  readonly onError?: ProduceErrorPolicy | undefined;
}

/** What a producer needs of its queue. */
export interface ProducerHost<T> extends LoopHost {
  /** Whether the queue takes nothing any more. */
  readonly closed: boolean;
  /** Puts one item, however long that takes; rejects where the item is lost. The producer is let in, whatever it was told. */
  put(value: T): Promise<void>;
  /** An item that a producer had in hand is lost. */
  lost(): void;
}

/** How long an iterator may take to come back with the item it was fetching when it was told to end. */
const ITERATOR_GRACE_MS = 1_000;

/** Puts the items of a source into a queue. */
export class Producer<T> extends Loop<ProducerHost<T>> {
  readonly kind = 'producer';
  readonly #feed: Feed<T>;
  readonly #idleMs: number;
  readonly #errorDelayMs: number;
  readonly #onError: ProduceErrorPolicy;
  readonly #faults: Faults;
  readonly #abort: LazyAbort = new LazyAbort();
  readonly #lameDuck: AbortListener = { onAbort: (reason) => this.halt(reason) };
  #doing: 'nothing' | 'asking' | 'putting' = 'nothing';
  #wake: (() => void) | undefined;
  #feedClosed = false;
  #serviceSignal: AbortSignal | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  #abandoned = false;

  constructor(host: ProducerHost<T>, source: Source<T>, options: ProduceOptions) {
    checkCallOptions(options);
    const { idleMs = 100, errorDelayMs = 1_000, onError = 'continue' } = options;
    super(host, options);
    this.#idleMs = checkDelayMs('idleMs', idleMs);
    this.#errorDelayMs = checkDelayMs('errorDelayMs', errorDelayMs);
    this.#onError =
      typeof onError === 'function'
        ? onError
        : checkOneOf<'continue' | 'stop'>('onError', onError, ['continue', 'stop']);
    this.#faults = new Faults(host.name);
    const parent = executionOf(options);
    this.#feed = feedOf(source, () =>
      createContext(this.#abort, options.deadline, new Execution(parent, host.door?.owner)),
    );
    this.begin();
    this.adopted();
    if (host.closed) this.halt(undefined);
    void this.#run();
  }

  get inFlight(): number {
    return this.#doing === 'nothing' ? 0 : 1;
  }

  /** An item in hand, or one that a source which was told to stop may still come back with. */
  get unfinished(): number {
    const expected = this.#doing === 'asking' && !this.running && !this.#abandoned;
    return this.#doing === 'putting' || expected ? 1 : 0;
  }

  protected onPause(): void {}

  protected onResume(): void {
    this.#wake?.();
  }

  protected onHalt(reason: unknown): void {
    this.#abort.abort(reason ?? new DOMException(`The ${this.name} was stopped`, 'AbortError'));
    this.#wake?.();
    if (this.#doing !== 'asking' || this.#feed.polled) return;
    // an iterator hears of the end in no other way, and one that waits for its next item may not hear at all
    this.#closeFeed();
    this.#grace = setTimeout(() => this.#abandon(), ITERATOR_GRACE_MS);
  }

  #abandon(): void {
    this.#abandoned = true;
    this.#finish(undefined);
  }

  #finish(fault: LoopFault | undefined): void {
    if (this.#serviceSignal !== undefined) unlinkAbort(this.#serviceSignal, this.#lameDuck);
    this.end(fault);
    this.host.settle();
  }

  /** Its item in hand is refused by the queue itself. */
  protected onCancel(): void {}

  /** Its queue has a service: it stops when that begins to shut down. */
  override adopted(): void {
    const signal = this.host.door?.signalAt('lame-duck');
    if (signal === undefined || !this.running) return;
    this.#serviceSignal = signal;
    if (signal.aborted) this.halt(signal.reason);
    else linkAbort(signal, this.#lameDuck);
  }

  async #run(): Promise<void> {
    // the caller gets the loop before the source is asked
    await ADMITTED;
    const fault = await this.#produce();
    clearTimeout(this.#grace);
    this.#closeFeed();
    this.#finish(fault);
  }

  async #produce(): Promise<LoopFault | undefined> {
    const share = new FairShare();
    while (this.running) {
      if (!this.taking) {
        await this.#resumed();
        continue;
      }
      this.#doing = 'asking';
      const step = await this.#ask();
      this.#doing = 'nothing';
      if (step === FINISHED) {
        this.#feedClosed = true;
        return undefined;
      }
      if (typeof step === 'object' && step instanceof Failure) {
        const fault = await this.#failed(step.error);
        if (fault !== undefined) return fault;
      } else if (step === NOTHING) {
        await this.#nap(this.#idleMs);
      } else if (!(await this.#put(step))) {
        return undefined;
      }
      if (share.spent) {
        await yieldToLoop();
        share.renew();
      }
    }
    return undefined;
  }

  async #ask(): Promise<T | typeof NOTHING | typeof FINISHED | Failure> {
    try {
      return await this.#feed.next();
    } catch (error) {
      return new Failure(error);
    }
  }

  /** Waits for room however long it takes; false where the queue takes nothing any more. */
  async #put(value: T): Promise<boolean> {
    this.#doing = 'putting';
    try {
      await this.host.put(value);
      return true;
    } catch (error) {
      this.#faults.report('queue.producer-failed', 'an item of a producer was lost', { error });
      this.host.lost();
      return !this.host.closed;
    } finally {
      this.#doing = 'nothing';
      this.host.settle();
    }
  }

  /** Reports a failure of the source and waits; returns a fault where the loop cannot go on. */
  async #failed(error: unknown): Promise<LoopFault | undefined> {
    if (!this.running && this.#obeys(error)) return undefined;
    const onError = this.#onError;
    const fatal = onError === 'stop';
    const data = this.running ? { error, delayMs: this.#errorDelayMs } : { error };
    if (fatal || !this.#feed.polled) {
      this.#faults.stopped('the producer stopped, because its source failed', error);
    } else if (typeof onError === 'function') {
      if (observed()) emit('queue.producer-failed', this.host.name, data);
    } else {
      this.#faults.report('queue.producer-failed', 'the source of a producer failed', data);
    }
    if (typeof onError === 'function') await this.#tell(onError, error);
    if (fatal) return { error, fatal };
    if (!this.#feed.polled) {
      // an iterator that threw has ended
      this.#feedClosed = true;
      return { error, fatal };
    }
    await this.#nap(this.#errorDelayMs);
    return undefined;
  }

  /** Whether the source failed because it was told to stop: with the reason itself, or in the words of the platform. */
  #obeys(error: unknown): boolean {
    return error === this.#abort.reason || (error instanceof Error && error.name === 'AbortError');
  }

  async #tell(onError: (error: unknown) => Awaitable<void>, error: unknown): Promise<void> {
    try {
      await onError(error);
    } catch (fault) {
      reportError(fault);
    }
  }

  /** Sleeps until the time is over or the loop halts. */
  async #nap(delayMs: number): Promise<void> {
    await sleep(delayMs, { signal: this.#abort.signal }).catch(() => {});
  }

  async #resumed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #closeFeed(): void {
    if (this.#feedClosed) return;
    this.#feedClosed = true;
    notify(() => this.#feed.close());
  }
}

class Failure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}
