/** One call that several callers wait for. It is over when it has settled, or when the last of them has left. */
import { TimeoutError } from '../errors/timeout-error.ts';
import { emit, observed } from '../events/bus.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { Deadline } from '../signal/deadline.ts';
import type { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { PatientTimer } from '../signal/patient-timer.ts';
import { start } from '../signal/start.ts';
import { createContext, type CallOptions, type Work } from '../signal/work-context.ts';

/** One who waits for the call, until his signal aborts or his deadline passes. */
export class Passenger<V> implements AbortListener {
  readonly resolve: (value: V) => void;
  readonly reject: (error: unknown) => void;
  readonly #flight: Flight<V>;
  readonly #options: CallOptions;
  readonly #timer: PatientTimer = new PatientTimer();

  constructor(
    flight: Flight<V>,
    options: CallOptions,
    resolve: (value: V) => void,
    reject: (error: unknown) => void,
  ) {
    this.#flight = flight;
    this.#options = options;
    this.resolve = resolve;
    this.reject = reject;
  }

  onAbort(reason: unknown): void {
    this.#flight.leave(this, reason);
  }

  /** Begins to listen for what may end the wait. */
  arm(): void {
    const { signal, deadline } = this.#options;
    if (signal !== undefined) linkAbort(signal, this);
    if (deadline === undefined) return;
    const givenMs = deadline.remainingMs;
    this.#timer.until(deadline, () => this.onAbort(deadline.toError(this.#flight.name, givenMs)));
  }

  disarm(): void {
    this.#timer.clear();
    if (this.#options.signal !== undefined) unlinkAbort(this.#options.signal, this);
  }
}

/** One call. */
export class Flight<V> {
  readonly name: string;
  readonly #passengers: Set<Passenger<V>> = new Set<Passenger<V>>();
  readonly #abort: LazyAbort = new LazyAbort();
  readonly #timer: PatientTimer = new PatientTimer();
  readonly #execution: Execution | undefined;
  readonly #end: () => void;
  /** The one who began it, on whose account it runs. */
  #first: Passenger<V> | undefined;
  #work: Promise<V> | undefined;
  #over = false;

  /** `end` is called once nobody may join any more. */
  constructor(name: string, execution: Execution | undefined, end: () => void) {
    this.name = name;
    this.#execution = execution;
    this.#end = end;
  }

  /** How many wait for it. */
  get size(): number {
    return this.#passengers.size;
  }

  board(passenger: Passenger<V>): void {
    this.#first ??= passenger;
    this.#passengers.add(passenger);
    passenger.arm();
  }

  /** Makes the call. What it returns settles with the work itself, whoever still waits for it. */
  start(fn: Work<V>, timeoutMs: number): Promise<V> {
    const deadline = timeoutMs === Infinity ? undefined : Deadline.after(timeoutMs);
    if (deadline !== undefined)
      this.#timer.until(deadline, () => this.cancel(new TimeoutError(this.name, 'total', timeoutMs)));
    const work = start(fn, createContext(this.#abort, deadline, this.#execution));
    this.#work = work;
    work.then(
      (value) => this.#settle((passenger) => passenger.resolve(value)),
      (error: unknown) => this.#settle((passenger) => passenger.reject(error)),
    );
    if (this.#over) this.#execution?.abandon(work);
    return work;
  }

  /** Lets one go; with the last of them the call ends. */
  leave(passenger: Passenger<V>, reason: unknown): void {
    if (!this.#passengers.delete(passenger)) return;
    passenger.disarm();
    if (this.#passengers.size === 0) this.cancel(reason);
    else if (passenger === this.#first && this.#work !== undefined) this.#execution?.abandon(this.#work);
    passenger.reject(reason);
  }

  /** Aborts the call and rejects all who wait for it. */
  cancel(reason: unknown): void {
    if (this.#over) return;
    this.#settle((passenger) => passenger.reject(reason));
    this.#abort.abort(reason);
    if (this.#work !== undefined) this.#execution?.abandon(this.#work);
    if (observed()) emit('call.abandoned', this.name, { reason });
  }

  #settle(tell: (passenger: Passenger<V>) => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.clear();
    this.#end();
    const passengers = [...this.#passengers];
    this.#passengers.clear();
    for (const passenger of passengers) {
      passenger.disarm();
      tell(passenger);
    }
  }
}
