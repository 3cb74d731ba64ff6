/**
 * A limit on how many calls start per interval, with a line: first come, first served. How long a turn takes is known in advance,
 * so whoever cannot wait that long is refused at once. It has no timer unless somebody waits, and then one.
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
import { Intake } from '../concurrency/intake.ts';
import { RateLimitedError } from '../errors/limit-errors.ts';
import { emit, observed } from '../events/bus.ts';
import {
  checkDelayMs,
  checkFunction,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimeoutMs,
  invalidType,
  outOfRange,
} from '../options/checks.ts';
import { now } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { executionOf } from '../signal/execution.ts';
import { IdleLine } from '../signal/idle-line.ts';
import { Timer } from '../signal/timer.ts';
import { WaitLine, Waiter, checkWaitOptions, type WaitOptions } from '../signal/wait-line.ts';
import type { Work } from '../signal/work-context.ts';
import { SlidingStarts, TokenBucket, type Pace } from './pace.ts';

/** How a rate limiter is made. */
export interface RateLimiterOptions {
  /** Names it in events, errors and statistics. @default 'rate-limiter' */
  readonly name?: string | undefined;
  /** How many calls may start per interval: a whole number from 1 up. */
  readonly limit: number;
  /** The interval in milliseconds. @default 1_000 */
  readonly intervalMs?: number | undefined;
  /**
   * `token-bucket` saves up to `burst` starts and refills evenly; `sliding` allows in no interval, wherever it begins, more than
   * `limit`.
   *
   * @default 'token-bucket'
   */
  readonly window?: 'token-bucket' | 'sliding' | undefined;
  /** How many starts a bucket saves at most. @default `limit` */
  readonly burst?: number | undefined;
  /** How many calls may wait: a whole number from 0 up, or `Infinity`. @default 1_000 */
  readonly maxQueue?: number | undefined;
  /** Longest wait of calls that name none, in milliseconds. @default Infinity */
  readonly maxWaitMs?: number | undefined;
}

const KEYS: readonly (keyof RateLimiterOptions)[] = [
  'name',
  'limit',
  'intervalMs',
  'window',
  'burst',
  'maxQueue',
  'maxWaitMs',
];

/**
 * Lets `limit` calls start per interval; the others wait their turn.
 *
 * @example
 * const limiter = new RateLimiter({ name: 'geocoder', limit: 50 });
 * const place = await limiter.execute(({ signal }) => geocode(address, signal), { ...ctx, maxWaitMs: 2_000 });
 *
 * @throws RateLimitedError from `acquire` and `execute`, where the line is full or the wait would be too long.
 */
export class RateLimiter implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  readonly #pace: Pace;
  readonly #maxQueue: number;
  readonly #maxWaitMs: number;
  readonly #line: WaitLine<Turn> = new WaitLine<Turn>();
  readonly #timer: Timer = new Timer();
  readonly #intake: Intake;
  readonly #idle: IdleLine = new IdleLine(() => this.#line.size + this.#running);
  readonly #left = (): void => this.#settle();
  #running = 0;
  #started = 0;
  #rejected = 0;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: RateLimiterOptions) {
    checkOptions('options', options, KEYS);
    const { window = 'token-bucket', burst } = options;
    const limit = checkInteger('limit', options.limit, 1);
    const intervalMs = checkTimeoutMs('intervalMs', options.intervalMs ?? 1_000);
    if (intervalMs === Infinity) throw outOfRange('intervalMs', 'finite', intervalMs);
    checkOneOf('window', window, ['token-bucket', 'sliding']);
    if (window === 'sliding' && burst !== undefined)
      throw invalidType('burst', 'absent where the window is sliding', burst);
    this.name = checkName('name', options.name ?? 'rate-limiter');
    this.#maxQueue = checkInteger('maxQueue', options.maxQueue ?? 1_000, 0, true);
    this.#maxWaitMs = checkDelayMs('maxWaitMs', options.maxWaitMs ?? Infinity, true);
    this.#pace =
      window === 'sliding'
        ? new SlidingStarts(limit, intervalMs)
        : new TokenBucket(limit, intervalMs, checkInteger('burst', burst ?? limit, 1));
    this.#intake = new Intake(this.name);
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#line.size;
  }

  [ADOPT](door: Door): void {
    this.#intake.adopt(door);
  }

  /**
   * Waits for a turn, which is then used up.
   *
   * @throws RateLimitedError at once, where the turn comes later than the caller can wait; `retryAfterMs` says when.
   * @throws QueueClosedError once closed; ShuttingDownError when the owning service shuts down.
   */
  async acquire(options: WaitOptions = {}): Promise<void> {
    checkWaitOptions(options);
    const { signal, deadline, maxWaitMs = this.#maxWaitMs } = options;
    signal?.throwIfAborted();
    if (deadline?.expired) throw deadline.toError(`Waiting for "${this.name}"`, 0);
    const refusal = this.#intake.refusal(options);
    if (refusal !== undefined) throw refusal;
    const time = now();
    const ahead = this.#line.size;
    if (ahead === 0 && this.#pace.take(time)) {
      this.#started += 1;
      return;
    }
    const waitMs = this.#pace.waitMs(time, ahead);
    if (ahead >= this.#maxQueue || waitMs > maxWaitMs || waitMs >= (deadline?.remainingMs ?? Infinity))
      throw this.#refuse(waitMs);
    await new Promise<void>((resolve, reject) => {
      this.#line.join(new Turn(resolve, reject, this.#left), { signal, deadline }, Infinity);
      if (ahead === 0) this.#serve();
    });
  }

  /** Takes a turn where one is free and nobody waits for it. */
  tryAcquire(): boolean {
    const open = this.#intake.refusal(undefined) === undefined;
    const taken = open && this.#line.size === 0 && this.#pace.take(now());
    if (taken) this.#started += 1;
    return taken;
  }

  /**
   * Runs `fn` when its turn has come.
   *
   * @throws what `fn` throws, and what `acquire` throws.
   */
  async execute<T>(fn: Work<T>, options: WaitOptions = {}): Promise<T> {
    checkFunction('fn', fn);
    await this.acquire(options);
    this.#running += 1;
    try {
      const { signal, deadline } = options;
      return await call(fn, { signal, deadline, name: this.name, execution: executionOf(options) });
    } finally {
      this.#running -= 1;
      this.#idle.settle();
    }
  }

  /** Takes on nobody new; those who wait are served. */
  close(): void {
    this.#intake.close();
  }

  /** Waits until nobody waits and no call of `execute` runs. */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  /** Turns away all who wait, with `reason`. */
  cancel(reason: unknown = new DOMException(`The line of "${this.name}" was cancelled`, 'AbortError')): void {
    for (let turn = this.#line.shift(); turn !== undefined; turn = this.#line.shift()) turn.giveUp(reason);
  }

  stats(): Stats {
    return {
      waiting: this.#line.size,
      running: this.#running,
      started: this.#started,
      rejected: this.#rejected,
      waitMs: this.#pace.waitMs(now(), this.#line.size),
    };
  }

  /** Closes, and waits until all are served. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.drain();
  }

  /** Lets in those whose turn has come, and wakes up for the next. */
  #serve(): void {
    while (this.#line.size > 0 && this.#pace.take(now())) {
      this.#started += 1;
      this.#line.shift()?.come();
    }
    this.#settle();
    // a timer counts whole milliseconds, and one too early would find nothing
    if (this.#line.size > 0) this.#timer.set(Math.ceil(this.#pace.waitMs(now(), 0)), () => this.#serve());
  }

  #settle(): void {
    if (this.#line.size === 0) this.#timer.clear();
    this.#idle.settle();
  }

  #refuse(waitMs: number): RateLimitedError {
    const retryAfterMs = Math.ceil(waitMs);
    this.#rejected += 1;
    if (observed()) emit('rate.rejected', this.name, { retryAfterMs, waiting: this.#line.size });
    return new RateLimitedError(this.name, retryAfterMs);
  }
}

class Turn extends Waiter {
  readonly come: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #left: () => void;

  constructor(come: () => void, reject: (error: unknown) => void, left: () => void) {
    super();
    this.come = come;
    this.#reject = reject;
    this.#left = left;
  }

  giveUp(error: unknown): void {
    this.#reject(error);
    this.#left();
  }

  /** The line sets no longest wait: who cannot wait long enough does not join it. */
  late(): void {}
}
