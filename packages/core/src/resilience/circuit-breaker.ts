/**
 * A fuse before a dependency: while too much of what it is asked fails or is slow, calls are refused at once instead of waiting
 * for it, and after a break a few trials find out whether it is back. A caller who leaves counts neither way, and so does what
 * our own guards refused. It has no timer and nothing to dispose of; make one per dependency.
 */
import type { Component, ComponentHealth, Stats } from '../component.ts';
import type { CircuitState } from '../errors/circuit-open-error.ts';
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkFunction } from '../options/checks.ts';
import { now } from '../runtime.ts';
import { call } from '../signal/call.ts';
import { executionOf } from '../signal/execution.ts';
import { spareContexts } from '../signal/spare-context.ts';
import { checkCallOptions, type CallOptions, type Work } from '../signal/work-context.ts';
import { makeCircuit, type CircuitBreakerOptions } from './circuit-options.ts';
import { checkSnapshot, type CircuitSnapshot } from './circuit-snapshot.ts';
import type { Circuit } from './circuit.ts';

const NO_OPTIONS: CallOptions = {};
const freeContext = /* @__PURE__ */ spareContexts({});

let circuitOfBreaker: (breaker: CircuitBreaker) => Circuit;

/**
 * Lets calls through while they succeed.
 *
 * @example
 * const breaker = new CircuitBreaker({ name: 'search', consecutiveFailures: 5, breakMs: 60_000 });
 * const hits = await breaker.execute(({ signal }) => search(query, signal), ctx);
 */
export class CircuitBreaker implements Component {
  static {
    circuitOfBreaker = (breaker): Circuit => breaker.#circuit;
  }

  readonly name: string;
  readonly #circuit: Circuit;
  #handlers: Handlers | undefined;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: CircuitBreakerOptions = {}) {
    this.#circuit = makeCircuit(options);
    this.name = this.#circuit.rules.name;
  }

  /** How it stands. An open circuit whose break is over stays open until the next call. */
  get state(): CircuitState {
    return this.#circuit.state;
  }

  /**
   * Calls `fn` where the circuit lets it, and learns from the outcome. What ends because the caller left, or because the caller's
   * deadline passed, teaches nothing.
   *
   * @throws CircuitOpenError where `fn` was not called; `retryAfterMs` says when it may be again.
   * @throws what `fn` throws; the signal's reason when it aborts; TimeoutError of kind `deadline`.
   */
  execute<T>(fn: Work<T>, options: CallOptions = NO_OPTIONS): Promise<T> {
    const circuit = this.#circuit;
    if (options !== NO_OPTIONS || typeof fn !== 'function' || circuit.state !== 'closed' || circuit.timed)
      return this.#execute(fn, options);
    const { succeeded, failed } = this.#handlersOf(circuit);
    try {
      return Promise.resolve(fn(freeContext())).then(succeeded, failed);
    } catch (error) {
      return Promise.reject<T>(error).catch(failed);
    }
  }

  /**
   * Lets nobody in, whatever the outcomes, until the handle is disposed of; of several, the last. Then it is closed.
   *
   * @example
   * using isolation = breaker.isolate();
   */
  isolate(): Disposable {
    return this.#circuit.isolate();
  }

  /** How it stands, as plain JSON, for another process or the next one. */
  snapshot(): CircuitSnapshot {
    return this.#circuit.snapshot();
  }

  /**
   * Goes on from a snapshot. Calls under way no longer count; a half-open circuit lets the next call be its first trial, an
   * isolated one is closed when the last handle of an `isolate()` that comes after is disposed of.
   *
   * @throws TypeError, RangeError on what is no snapshot.
   */
  restore(snapshot: CircuitSnapshot): void {
    this.#circuit.restore(checkSnapshot(snapshot));
  }

  stats(): Stats {
    const { openUntil: _, ...figures } = this.#circuit.snapshot();
    return figures;
  }

  /** Degraded while it refuses calls: its service can do the rest of its work. */
  health(): ComponentHealth {
    const { state } = this;
    return state === 'closed' ? { status: 'up' } : { status: 'degraded', detail: `circuit ${state}` };
  }

  #execute<T>(fn: Work<T>, options: CallOptions): Promise<T> {
    const circuit = this.#circuit;
    try {
      checkFunction('fn', fn);
      checkCallOptions(options);
      options.signal?.throwIfAborted();
      if (options.deadline?.expired) throw new TimeoutError(this.name, 'deadline', 0);
      const refusal = circuit.admit();
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      return Promise.reject(error);
    }
    const { signal, deadline } = options;
    const { epoch } = circuit;
    const startedAt = circuit.timed ? now() : 0;
    return call(fn, { signal, deadline, name: this.name, execution: executionOf(options) }).then(
      (value) => {
        circuit.settle(epoch, 'success', startedAt);
        return value;
      },
      (error: unknown) => {
        const left = signal?.aborted === true && signal.reason === error;
        const late = deadline !== undefined && isHoldfastError(error, 'TIMEOUT') && error.kind === 'deadline';
        if (left || late) circuit.settle(epoch, 'ignored', startedAt);
        else circuit.fail(epoch, error, startedAt);
        throw error;
      },
    );
  }

  /** What follows a call of the present epoch that nothing but itself can end; kept, for calls are many and epochs few. */
  #handlersOf(circuit: Circuit): Handlers {
    const { epoch } = circuit;
    if (this.#handlers?.epoch === epoch) return this.#handlers;
    this.#handlers = {
      epoch,
      succeeded: (value) => {
        circuit.settle(epoch, 'success', 0);
        return value;
      },
      failed: (error) => {
        circuit.fail(epoch, error, 0);
        throw error;
      },
    };
    return this.#handlers;
  }
}

interface Handlers {
  readonly epoch: number;
  readonly succeeded: <T>(value: T) => T;
  readonly failed: (error: unknown) => never;
}

/** The circuit within a breaker, for a policy that brings its own calls. */
export function circuitOf(breaker: CircuitBreaker): Circuit {
  return circuitOfBreaker(breaker);
}
