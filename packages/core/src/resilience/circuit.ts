/**
 * The state machine of a circuit breaker, without the calls. It is synchronous and has no timer: time is looked at when a call
 * asks to be let in. A call is let in under the epoch of that moment and brings its outcome back with it, so what began before a
 * transition is stale and moves nothing.
 *
 *     closed ── too many failures or slow calls ──▶ open ── breakMs passed, next call ──▶ half-open
 *       ▲                                            ▲                                       │
 *       │                                            └── trials failed or hang: longer break ┤
 *       └── halfOpenCalls trials succeeded ──────────────────────────────────────────────────┘
 */
import { CircuitOpenError, type CircuitState } from '../errors/circuit-open-error.ts';
import { isRefusal } from '../errors/brand.ts';
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { emit, observed } from '../events/bus.ts';
import { now } from '../runtime.ts';
import type { CircuitSnapshot } from './circuit-snapshot.ts';
import { matches, type ErrorFilter } from './error-filter.ts';
import type { OutcomeWindow, Tally } from './sliding-window.ts';

/** What became of a call that was let in; `ignored` says nothing about the callee. */
export type CallOutcome = 'success' | 'failure' | 'ignored';

/** When to open, and how to close again. */
export interface CircuitRules {
  readonly name: string;
  readonly minimumCalls: number;
  readonly failureRate: number;
  readonly slowCallMs: number;
  readonly slowRate: number;
  readonly consecutiveFailures: number;
  readonly breakMs: number;
  readonly maxBreakMs: number;
  readonly halfOpenCalls: number;
  readonly halfOpenMaxMs: number;
  readonly failureIf: ErrorFilter | undefined;
}

/** One circuit. */
export class Circuit {
  readonly rules: CircuitRules;
  /** Whether it needs to know when a call began. */
  readonly timed: boolean;
  readonly #window: OutcomeWindow;
  #state: CircuitState = 'closed';
  #epoch = 0;
  #openUntil = 0;
  #reopenings = 0;
  #consecutive = 0;
  /** Of an open circuit what opened it, of a half-open one its trials. */
  #tally: Tally = { settled: 0, failures: 0, slow: 0 };
  #running = 0;
  #runningSince = 0;
  #isolations = 0;
  #rejected = 0;
  #stale = 0;

  constructor(rules: CircuitRules, window: OutcomeWindow) {
    this.rules = rules;
    this.timed = rules.slowCallMs !== Infinity;
    this.#window = window;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** What the outcome of a call let in now has to be brought back with. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Lets a call in, which then owes its outcome, or says why not. */
  admit(): CircuitOpenError | undefined {
    if (this.#state === 'closed') return undefined;
    const { halfOpenCalls, halfOpenMaxMs } = this.rules;
    // one reading for all: a refusal by an open circuit that is then asked to wait for 0 ms would not be retried
    const at = now();
    if (this.#state === 'open' && at >= this.#openUntil) this.#move('half-open', 'break-over');
    if (this.#state === 'half-open') {
      const hung = this.#running > 0 && at - this.#runningSince >= halfOpenMaxMs;
      if (hung) {
        this.#open('trials-hung');
      } else if (this.#running + this.#tally.settled < halfOpenCalls) {
        if (this.#running === 0) this.#runningSince = at;
        this.#running += 1;
        return undefined;
      }
    }
    const error = this.refusal(at);
    this.#rejected += 1;
    if (observed())
      emit('circuit.rejected', this.rules.name, { state: this.#state, retryAfterMs: error.retryAfterMs });
    return error;
  }

  /** The error for one who is not let in now. */
  refusal(at: number = now()): CircuitOpenError {
    const until = this.#state === 'open' ? this.#openUntil : this.#runningSince + this.rules.halfOpenMaxMs;
    const retryAfterMs = this.#state === 'isolated' ? undefined : Math.max(0, until - at);
    return new CircuitOpenError(this.rules.name, this.#state, { retryAfterMs });
  }

  /** Whether a call made after that time would certainly be refused. */
  refusesAfter(delayMs: number): boolean {
    return this.#state === 'isolated' || (this.#state === 'open' && now() + delayMs < this.#openUntil);
  }

  /** Whether forgetting it would change what becomes of the next calls: not when closed, nor long after a break. */
  get remembers(): boolean {
    if (this.#state === 'closed') return false;
    return this.#state !== 'open' || now() < this.#openUntil + this.rules.maxBreakMs;
  }

  /** Brings back the outcome of a call that was let in under `epoch`; `startedAt` matters where the circuit is `timed`. */
  settle(epoch: number, outcome: CallOutcome, startedAt: number): void {
    if (epoch !== this.#epoch) {
      this.#stale += 1;
      return;
    }
    const trial = this.#state === 'half-open';
    if (trial) this.#running -= 1;
    if (outcome === 'ignored') return;
    const slow = this.timed && now() - startedAt >= this.rules.slowCallMs;
    if (trial) this.#judge(outcome === 'failure', slow);
    else this.#count(outcome === 'failure', slow);
  }

  /** Brings back the error of a call that nobody but itself has ended. */
  fail(epoch: number, error: unknown, startedAt: number): void {
    const { failureIf } = this.rules;
    const nothingRun = isRefusal(error) || (isHoldfastError(error, 'TIMEOUT') && error.kind === 'wait');
    if (nothingRun) return this.settle(epoch, 'ignored', startedAt);
    if (failureIf === undefined) {
      // a status below 500 says that the callee is there and the request was wrong, or too early
      const answered = isHoldfastError(error, 'HTTP_STATUS') && error.status < 500;
      return this.settle(epoch, answered ? 'success' : 'failure', startedAt);
    }
    const answer = (failed: boolean): void => this.settle(epoch, failed ? 'failure' : 'success', startedAt);
    const broken = (): void => answer(true);
    try {
      const failed = matches(failureIf, error);
      if (typeof failed === 'object') Promise.resolve(failed).then(answer, broken);
      else answer(failed);
    } catch {
      broken();
    }
  }

  /** Lets nobody in until all handles are disposed of. */
  isolate(): Disposable {
    this.#isolations += 1;
    if (this.#state !== 'isolated') this.#move('isolated', 'isolated');
    let held = true;
    return {
      [Symbol.dispose]: (): void => {
        if (!held) return;
        held = false;
        this.#isolations -= 1;
        if (this.#isolations === 0 && this.#state === 'isolated') this.#move('closed', 'released');
      },
    };
  }

  snapshot(): CircuitSnapshot {
    const state = this.#state;
    if (state === 'closed') this.#window.forget(false);
    const { settled, failures, slow } = state === 'closed' ? this.#window : this.#tally;
    return {
      state,
      openUntil: state === 'open' ? Math.round(Date.now() + this.#openUntil - now()) : null,
      reopenings: this.#reopenings,
      settled,
      failures,
      slow,
      rejected: this.#rejected,
      staleOutcomes: this.#stale,
    };
  }

  /** Goes on from a snapshot, in a new epoch. A half-open circuit is restored as an open one whose break is over. */
  restore(snapshot: CircuitSnapshot): void {
    const { settled, failures, slow } = snapshot;
    const given = this.#isolations > 0 ? 'isolated' : snapshot.state;
    const state = given === 'half-open' ? 'open' : given;
    // a clock that differs must not keep it open for longer than it would have been
    const breakMs = Math.min(Math.max(0, (snapshot.openUntil ?? 0) - Date.now()), this.rules.maxBreakMs);
    const tell = this.#enter(state);
    this.#rejected = snapshot.rejected;
    this.#stale = snapshot.staleOutcomes;
    this.#reopenings = snapshot.reopenings;
    this.#openUntil = now() + breakMs;
    if (state === 'closed') this.#window.load({ settled, failures, slow });
    else this.#tally = { settled, failures, slow };
    tell('restored', state === 'open' ? breakMs : undefined);
  }

  /** A call of the closed circuit: only a failure or a slow call may open it. */
  #count(failed: boolean, slow: boolean): void {
    const { minimumCalls, failureRate, slowRate, consecutiveFailures } = this.rules;
    const window = this.#window;
    window.add(failed, slow);
    this.#consecutive = failed ? this.#consecutive + 1 : 0;
    if (!failed && !slow) return;
    const { settled } = window;
    if (failed && this.#consecutive >= consecutiveFailures) this.#open('consecutive-failures');
    else if (settled < minimumCalls) return;
    else if (failed && window.failures / settled >= failureRate) this.#open('failure-rate');
    else if (slow && window.slow / settled >= slowRate) this.#open('slow-rate');
  }

  /** A trial of the half-open circuit: decided once the rate cannot be met any more, or all trials are in. */
  #judge(failed: boolean, slow: boolean): void {
    const { halfOpenCalls, failureRate, slowRate } = this.rules;
    const tally = this.#tally;
    tally.settled += 1;
    if (failed) tally.failures += 1;
    if (slow) tally.slow += 1;
    if (tally.failures / halfOpenCalls >= failureRate || tally.slow / halfOpenCalls >= slowRate)
      this.#open('trials-failed');
    else if (tally.settled >= halfOpenCalls) this.#move('closed', 'recovered');
  }

  #open(reason: string): void {
    const { breakMs, maxBreakMs } = this.rules;
    let lengthMs = breakMs;
    if (this.#state === 'half-open') {
      this.#reopenings += 1;
      // those who broke together do not try again together
      const jitter = 0.9 + Math.random() * 0.2;
      lengthMs = Math.min(maxBreakMs, breakMs * Math.min(2 ** this.#reopenings, Number.MAX_VALUE) * jitter);
    }
    this.#openUntil = now() + lengthMs;
    this.#move('open', reason, lengthMs);
  }

  #move(to: CircuitState, reason: string, breakMs?: number): void {
    this.#enter(to)(reason, breakMs);
  }

  /** Enters a state, and returns who tells of it: to be called when all is as it will be, for observers may look. */
  #enter(to: CircuitState): (reason: string, breakMs?: number) => void {
    const from = this.#state;
    const { settled, failures, slow } = from === 'closed' ? this.#window : this.#tally;
    this.#state = to;
    this.#epoch += 1;
    this.#running = this.#consecutive = 0;
    this.#tally = to === 'open' ? { settled, failures, slow } : { settled: 0, failures: 0, slow: 0 };
    this.#window.forget(true);
    if (to === 'closed' || to === 'isolated') this.#reopenings = 0;
    return (reason, breakMs) => {
      if (observed())
        emit(`circuit.${EVENT[to]}`, this.rules.name, { from, to, reason, breakMs, settled, failures, slow });
    };
  }
}

const EVENT: Readonly<Record<CircuitState, string>> = {
  closed: 'closed',
  open: 'opened',
  'half-open': 'half-opened',
  isolated: 'isolated',
};
