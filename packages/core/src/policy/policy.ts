/**
 * Everything between a caller and a dependency, in the one order that is right whatever the order of the options: fallback, total
 * time-out, retry, circuit breaker, bulkhead, attempt time-out, work. Make one per dependency and keep it; `for(key)` gives each
 * of many similar dependencies its own.
 */
import type { Component, ComponentHealth, Stats } from '../component.ts';
import { Bulkhead, type BulkheadOptions } from '../concurrency/bulkhead.ts';
import {
  checkFunction,
  checkInteger,
  checkName,
  checkOptionalFunction,
  checkOptions,
  checkTimeoutMs,
  invalidType,
} from '../options/checks.ts';
import { CircuitBreaker, circuitOf } from '../resilience/circuit-breaker.ts';
import type { CircuitBreakerOptions } from '../resilience/circuit-options.ts';
import type { Circuit } from '../resilience/circuit.ts';
import { budgetOf } from '../resilience/retry-budget.ts';
import { checkRetryOptions, type RetryOptions } from '../resilience/retry-options.ts';
import { call as limitCall } from '../signal/call.ts';
import { keepShape } from '../runtime.ts';
import { Deadline, earliest } from '../signal/deadline.ts';
import { executionOf } from '../signal/execution.ts';
import {
  checkCallOptions,
  type AttemptContext,
  type Awaitable,
  type CallOptions,
  type Work,
} from '../signal/work-context.ts';
import { Keyed } from './keyed.ts';
import type { Guards, PolicyCall, PolicyCounts, Retrying } from './policy-call.ts';
import { PolicyRun } from './policy-run.ts';

/** What stands before the work. What is not given is not there. */
export interface PolicyOptions {
  /** Names it in events, errors and statistics, and all parts that have no name of their own. @default 'policy' */
  readonly name?: string | undefined;
  /** Longest time a call may take, waits and retries included, in milliseconds. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /** How a failed attempt is tried again. @default never */
  readonly retry?: RetryOptions | undefined;
  /** When the dependency is left alone; an instance is shared, also by all keys. @default never */
  readonly breaker?: CircuitBreakerOptions | CircuitBreaker | undefined;
  /** How many attempts may run at once; an instance is shared, also by all keys. @default without limit */
  readonly bulkhead?: BulkheadOptions | Bulkhead | undefined;
  /** Longest time one attempt may run, in milliseconds. @default Infinity */
  readonly attemptTimeoutMs?: number | undefined;
  /** How many keys `for` keeps. @default 1_000 */
  readonly maxKeys?: number | undefined;
}

/** What one call may bring beside its limits. */
export interface FallbackOptions<F> extends CallOptions {
  /** Makes the outcome of a call that failed, for whatever reason but that its caller left. */
  readonly fallback: (error: unknown) => Awaitable<F>;
}

const KEYS: readonly (keyof PolicyOptions)[] = [
  'name',
  'timeoutMs',
  'retry',
  'breaker',
  'bulkhead',
  'attemptTimeoutMs',
  'maxKeys',
];

const RETRY_KEYS: readonly (keyof RetryOptions)[] = [
  'maxRetries',
  'baseDelayMs',
  'factor',
  'maxDelayMs',
  'jitter',
  'random',
  'retryIf',
  'retryResultIf',
  'retryAfterMs',
  'maxRetryAfterMs',
  'budget',
  'name',
  'onRetry',
];

const NO_OPTIONS: CallOptions = {};

interface RetryingOptions {
  readonly [RETRYING]?: Retrying | undefined;
}

/** Key in the options of a call for what it says to the retries. */
export const RETRYING: unique symbol = Symbol('holdfast.retrying');

/**
 * Guards the calls to one dependency.
 *
 * @example
 * const payments = new Policy({ name: 'payments', timeoutMs: 10_000, attemptTimeoutMs: 2_000, retry: {}, breaker: {} });
 * const receipt = await payments.execute(({ signal }) => charge(order, signal), ctx);
 */
export class Policy implements Component {
  readonly name: string;
  /** Its circuit breaker, where it has one. */
  readonly breaker: CircuitBreaker | undefined;
  /** Its bulkhead, where it has one. */
  readonly bulkhead: Bulkhead | undefined;
  readonly #ownCircuit: Circuit | undefined;
  readonly #guards: Guards;
  readonly #keyed: Keyed<Policy>;
  readonly #counts: PolicyCounts = {
    inFlight: 0,
    succeeded: 0,
    failed: 0,
    aborted: 0,
    timedOut: 0,
    retries: 0,
    leaked: 0,
  };

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: PolicyOptions = {}) {
    checkOptions('options', options, KEYS);
    const { retry, timeoutMs = Infinity, attemptTimeoutMs = Infinity, maxKeys = 1_000 } = options;
    const name = checkName('name', options.name ?? 'policy');
    if (retry !== undefined) {
      checkOptions('retry', retry, RETRY_KEYS);
      checkRetryOptions(retry);
    }
    this.name = name;
    this.breaker = breakerOf(name, options.breaker);
    this.bulkhead = bulkheadOf(name, options.bulkhead);
    this.#ownCircuit = this.breaker && this.breaker !== options.breaker ? circuitOf(this.breaker) : undefined;
    this.#guards = {
      name,
      timeoutMs: checkTimeoutMs('timeoutMs', timeoutMs),
      attemptTimeoutMs: checkTimeoutMs('attemptTimeoutMs', attemptTimeoutMs),
      circuit: this.breaker && circuitOf(this.breaker),
      bulkhead: this.bulkhead,
      retry:
        retry === undefined
          ? { name, maxRetries: 0 }
          : { ...retry, name: retry.name ?? name, budget: budgetOf(retry.budget) },
    };
    this.#keyed = new Keyed<Policy>(
      checkInteger('maxKeys', maxKeys, 1, true),
      (key) => new Policy(optionsFor(key, name, options)),
      (policy) => policy.#idle,
    );
  }

  /**
   * Calls `fn` behind all guards: as often as it is retried, which its context's `attempt` counts.
   *
   * @throws the last error of `fn` itself; the signal's reason when it aborts, without asking `fallback`.
   * @throws TimeoutError of kind `total` or `attempt`, or `deadline` where the caller's was sooner.
   * @throws CircuitOpenError, BulkheadFullError where `fn` was not called; `cause` is the failure before, where there was one.
   */
  execute<T>(fn: Work<T, AttemptContext>, options?: CallOptions): Promise<T>;
  execute<T, F>(fn: Work<T, AttemptContext>, options: FallbackOptions<F>): Promise<T | F>;
  execute<T, F>(
    fn: Work<T, AttemptContext>,
    options: CallOptions & Partial<FallbackOptions<F>> = NO_OPTIONS,
  ): Promise<T | F> {
    try {
      checkFunction('fn', fn);
      checkCallOptions(options);
      checkOptionalFunction('fallback', options.fallback);
    } catch (error) {
      return Promise.reject(error);
    }
    const { signal, deadline, fallback } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const outcome = new Promise<T>((resolve, reject) => {
      if (deadline?.expired) return reject(deadline.toError(this.name, 0));
      const { timeoutMs } = this.#guards;
      const own = timeoutMs === Infinity ? undefined : Deadline.after(timeoutMs);
      const sooner = earliest(deadline, own);
      const call: PolicyCall<T> = {
        fn,
        guards: this.#guards,
        counts: this.#counts,
        signal,
        deadline: sooner,
        total: own !== undefined && sooner === own,
        execution: executionOf(options),
        retrying: (options as RetryingOptions)[RETRYING],
        resolve,
        reject,
      };
      new PolicyRun(call).begin();
    });
    if (fallback === undefined) return outcome;
    return outcome.catch((error: unknown) => {
      if (signal?.aborted) throw signal.reason;
      return limitCall(() => fallback(error), { signal });
    });
  }

  /**
   * The policy of one of many similar dependencies, made of the same options: its own breaker, bulkhead and budget, except where
   * the options give an instance. One that is unused and closed may be forgotten beyond `maxKeys`, so ask again for each call.
   *
   * @example
   * await upstream.for(new URL(url).origin).execute(({ signal }) => send(url, signal));
   */
  for(key: string): Policy {
    return this.#keyed.get(checkName('key', key));
  }

  /** The keys that are kept, each with its policy, the one used longest ago first. */
  entries(): IterableIterator<[string, Policy]> {
    return this.#keyed.entries();
  }

  stats(): Stats {
    const { breaker, bulkhead } = this;
    const { budget } = this.#guards.retry;
    return {
      ...this.#counts,
      keys: this.#keyed.size,
      unregisteredKeys: this.#keyed.unregistered,
      ...(budget && { retriesAvailable: budget.available, retriesRefused: budget.refused }),
      ...prefixed('breaker', breaker?.stats()),
      ...prefixed('bulkhead', bulkhead?.stats()),
    };
  }

  /** Degraded while a circuit, its own or of a key, refuses calls: its service can do the rest of its work. */
  health(): ComponentHealth {
    const refusing = [...this.entries()]
      .filter(([, policy]) => policy.health().status !== 'up')
      .map(([key]) => key);
    const own = this.breaker?.health() ?? { status: 'up' };
    if (own.status !== 'up' || refusing.length === 0) return own;
    const [first = '', ...others] = refusing;
    return {
      status: 'degraded',
      detail: `circuit of ${first}${others.length > 0 ? ` and ${others.length} more` : ''}`,
    };
  }

  get #idle(): boolean {
    const { inFlight, leaked } = this.#counts;
    return inFlight === 0 && leaked === 0 && !this.#ownCircuit?.remembers;
  }
}

/** The same options under the key's own name; instances are shared, and options make parts of its own. */
function optionsFor(key: string, name: string, options: PolicyOptions): PolicyOptions {
  const { breaker, bulkhead, retry } = options;
  const renamed = <O extends { readonly name?: string | undefined }>(part: O): O => ({
    ...part,
    name: `${part.name ?? name}/${key}`,
  });
  return {
    ...options,
    name: `${name}/${key}`,
    retry: retry && renamed(retry),
    breaker: breaker instanceof CircuitBreaker ? breaker : breaker && renamed(breaker),
    bulkhead: bulkhead instanceof Bulkhead ? bulkhead : bulkhead && renamed(bulkhead),
  };
}

function prefixed(prefix: string, stats: Stats | undefined): Stats {
  return Object.fromEntries(
    Object.entries(stats ?? {}).map(([key, value]) => [
      `${prefix}${key.charAt(0).toUpperCase()}${key.slice(1)}`,
      value,
    ]),
  );
}

function breakerOf(name: string, given: PolicyOptions['breaker']): CircuitBreaker | undefined {
  if (given === undefined || given instanceof CircuitBreaker) return given;
  checkParts('breaker', given);
  return new CircuitBreaker({ ...given, name: given.name ?? name });
}

function bulkheadOf(name: string, given: PolicyOptions['bulkhead']): Bulkhead | undefined {
  if (given === undefined || given instanceof Bulkhead) return given;
  checkParts('bulkhead', given);
  return new Bulkhead({ ...given, name: given.name ?? name });
}

/** An instance made by another copy of the package would be read as options, and then not be shared. */
function checkParts(option: string, given: object): void {
  checkOptions(option, given);
  if ('execute' in given)
    throw invalidType(option, 'options, or an instance of this copy of the package', given);
}

// a call that never ends, and that costs nothing, keeps the shape of everything that a call consists of
const endless = new Promise<never>(() => {});
keepShape(endless);
void new Policy({ retry: {}, breaker: {}, bulkhead: { maxConcurrent: 1 } }).execute(() => endless, {
  deadline: Deadline.after(Infinity),
});
