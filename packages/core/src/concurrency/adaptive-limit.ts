/**
 * A bulkhead that finds its limit: up while its callee keeps pace, down when calls time out or are refused. It never leaves its
 * bounds, and learns nothing while less than half of it is in use. `execute` and policies teach it; a permit that is only disposed
 * of says nothing of its outcome.
 */
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import type { HoldfastCode } from '../errors/holdfast-error.ts';
import { emit, observed } from '../events/bus.ts';
import type { Stats } from '../component.ts';
import {
  checkBetween,
  checkFunction,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkTimeoutMs,
  outOfRange,
} from '../options/checks.ts';
import { now, reportError } from '../runtime.ts';
import type { WaitOptions } from '../signal/wait-line.ts';
import type { Work } from '../signal/work-context.ts';
import { Bulkhead, type BulkheadOptions } from './bulkhead.ts';
import type { SlotObserver, SlotOutcome } from './semaphore.ts';
import { AdditiveIncrease, Gradient, type LimitRule } from './limit-rules.ts';

/** How an adaptive limit is made. `maxConcurrent` is its upper bound, a whole number. */
export interface AdaptiveLimitOptions extends BulkheadOptions {
  /** Names it in events, errors and statistics. @default 'adaptive-limit' */
  readonly name?: string | undefined;
  /** The lower bound. @default 1 */
  readonly minConcurrent?: number | undefined;
  /** Where it starts, within its bounds. @default 20 */
  readonly initialConcurrent?: number | undefined;
  /** `aimd` looks at overloads alone, `gradient` at how much slower calls become as well. @default 'aimd' */
  readonly algorithm?: 'aimd' | 'gradient' | undefined;
  /** What an overload multiplies the limit by: at least 0.1, below 1. @default 0.9 */
  readonly backoffRatio?: number | undefined;
  /** A call that takes longer, in milliseconds, is an overload. @default Infinity */
  readonly slowCallMs?: number | undefined;
  /** How many times slower than without load is still fine, for `gradient`: from 1 to 10. @default 1.5 */
  readonly tolerance?: number | undefined;
  /** Which errors are an overload. @default time-outs, refusals of a limit further down, HTTP 429, 503 and 504 */
  readonly overloadIf?: ((error: unknown) => boolean) | undefined;
}

/** One call, from its start. */
class Sample implements SlotObserver {
  readonly startedAtMs: number = now();
  readonly epoch: number;
  readonly #learn: (sample: Sample, outcome: SlotOutcome) => void;

  constructor(epoch: number, learn: (sample: Sample, outcome: SlotOutcome) => void) {
    this.epoch = epoch;
    this.#learn = learn;
  }

  settled(outcome: SlotOutcome): void {
    this.#learn(this, outcome);
  }
}

/**
 * A bulkhead that finds its own limit.
 *
 * @example
 * const limit = new AdaptiveLimit({ name: 'search', maxConcurrent: 200, minConcurrent: 4, maxQueue: 50 });
 * const hits = await limit.execute(({ signal }) => search(query, signal), { deadline: Deadline.after(2_000) });
 */
export class AdaptiveLimit extends Bulkhead {
  readonly #min: number;
  readonly #max: number;
  readonly #rule: LimitRule;
  readonly #backoffRatio: number;
  readonly #slowCallMs: number;
  readonly #overloadIf: (error: unknown) => boolean;
  /** The limit with its fraction. */
  #exact: number;
  /** Grows with every cut: calls that began before one are no reason for another. */
  #epoch = 0;
  #samples = 0;
  #totalMs = 0;
  #peak = 0;
  readonly #learn = (sample: Sample, outcome: SlotOutcome): void => {
    if (outcome === 'success') this.#succeeded(sample);
    else if (outcome !== undefined) this.#failed(sample, outcome.error);
  };

  constructor(options: AdaptiveLimitOptions) {
    checkOptions('options', options, KEYS);
    const { name = 'adaptive-limit', maxQueue, maxWaitMs, freeOnTimeout, overloadIf = isOverload } = options;
    const { maxConcurrent, minConcurrent = 1, initialConcurrent = 20, algorithm = 'aimd' } = options;
    const { backoffRatio = 0.9, slowCallMs = Infinity, tolerance = 1.5 } = options;
    const max = checkInteger('maxConcurrent', maxConcurrent, 1);
    const min = checkInteger('minConcurrent', minConcurrent, 1);
    if (min > max) throw outOfRange('minConcurrent', `at most maxConcurrent (${max})`, min);
    const initial = Math.min(max, Math.max(min, checkInteger('initialConcurrent', initialConcurrent, 1)));
    super({ name, maxConcurrent: initial, maxQueue, maxWaitMs, freeOnTimeout });
    this.#min = min;
    this.#max = max;
    this.#exact = initial;
    checkOneOf('algorithm', algorithm, ['aimd', 'gradient']);
    const gradient = new Gradient(checkBetween('tolerance', tolerance, 1, 10));
    this.#rule = algorithm === 'gradient' ? gradient : new AdditiveIncrease();
    this.#backoffRatio = checkBetween('backoffRatio', backoffRatio, 0.1, 0.99);
    this.#slowCallMs = checkTimeoutMs('slowCallMs', slowCallMs);
    checkFunction('overloadIf', overloadIf);
    this.#overloadIf = overloadIf;
  }

  override execute<T>(fn: Work<T>, options?: WaitOptions): Promise<T> {
    if (typeof fn !== 'function') return super.execute(fn, options);
    let sample: SlotObserver | undefined;
    const measured: Work<T> = (ctx) => {
      sample = this.observe();
      return fn(ctx);
    };
    return super.execute(measured, options).then(
      (value) => {
        sample?.settled('success');
        return value;
      },
      (error: unknown) => {
        sample?.settled(isOwnAbort(error, options?.signal) ? undefined : { error });
        throw error;
      },
    );
  }

  /** Moves the limit by hand; it goes on from there. @throws RangeError outside its bounds. */
  override setLimit(maxConcurrent: number): void {
    const limit = checkInteger('maxConcurrent', maxConcurrent, this.#min);
    if (limit > this.#max) throw outOfRange('maxConcurrent', `at most ${this.#max}`, limit);
    this.#exact = limit;
    super.setLimit(limit);
  }

  /** Lowers the limit as an overload does: for those who see one elsewhere, in the event loop say. */
  backOff(): void {
    this.#cut('elsewhere');
  }

  override stats(): Stats {
    const { unloadedMs } = this.#rule;
    return { ...super.stats(), minLimit: this.#min, maxLimit: this.#max, unloadedMs };
  }

  /** Begins to measure a call; a permit that is only disposed of teaches nothing. */
  protected override observe(): SlotObserver {
    this.#peak = Math.max(this.#peak, this.inUse);
    return new Sample(this.#epoch, this.#learn);
  }

  #succeeded(sample: Sample): void {
    const durationMs = now() - sample.startedAtMs;
    if (durationMs > this.#slowCallMs) return this.#overloaded(sample, 'slow');
    this.#samples += 1;
    this.#totalMs += durationMs;
    if (this.#samples < this.maxConcurrent) return;
    const round = {
      limit: this.#exact,
      meanMs: this.#totalMs / this.#samples,
      busy: this.#busy,
      lowest: this.maxConcurrent === this.#min,
    };
    this.#move(this.#rule.next(round), 'round');
  }

  #failed(sample: Sample, error: unknown): void {
    let overload = false;
    try {
      overload = this.#overloadIf(error);
    } catch (failure) {
      reportError(failure);
    }
    if (overload) this.#overloaded(sample, 'overload');
  }

  #overloaded({ epoch }: Sample, reason: string): void {
    if (epoch === this.#epoch && this.#busy) this.#cut(reason);
  }

  get #busy(): boolean {
    return this.#peak * 2 >= this.maxConcurrent;
  }

  #cut(reason: string): void {
    this.#epoch += 1;
    this.#move(Math.floor(this.#exact * this.#backoffRatio), reason);
  }

  /** Begins a new round with another limit. */
  #move(exact: number, reason: string): void {
    this.#samples = 0;
    this.#totalMs = 0;
    this.#peak = this.inUse;
    this.#exact = Math.min(this.#max, Math.max(this.#min, exact));
    const from = this.maxConcurrent;
    const to = Math.floor(this.#exact);
    if (to === from) return;
    super.setLimit(to);
    if (observed()) emit('limit.changed', this.name, { from, to, reason });
  }
}

const KEYS = [
  'name',
  'maxConcurrent',
  'maxQueue',
  'maxWaitMs',
  'freeOnTimeout',
  'minConcurrent',
  'initialConcurrent',
  'algorithm',
  'backoffRatio',
  'slowCallMs',
  'tolerance',
  'overloadIf',
];

const OVERLOADS: ReadonlySet<HoldfastCode> = new Set<HoldfastCode>([
  'BULKHEAD_FULL',
  'OVERLOADED',
  'POOL_FULL',
  'QUEUE_FULL',
  'RATE_LIMITED',
  'TIMEOUT',
]);

function isOverload(error: unknown): boolean {
  if (isHoldfastError(error, 'HTTP_STATUS')) return [429, 503, 504].includes(error.status);
  if (isHoldfastError(error)) return OVERLOADS.has(error.code);
  return error instanceof Error && error.name === 'TimeoutError';
}

/** Whether the caller has left of its own accord, which says nothing of the callee. */
function isOwnAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error === signal.reason && !isHoldfastError(error, 'TIMEOUT');
}
