/** Counts what arrived, by `Idempotency-Key`: how many events, how many calls, how many of them came twice or were refused. */
import type { FailureSchedule } from './failure-schedule.ts';

/** What a receiver got. */
export interface Received {
  /** Events that were taken at least once. */
  readonly unique: number;
  /** All calls. */
  readonly total: number;
  /** Calls for an event that had been taken before. */
  readonly duplicates: number;
  /** Calls that were made to fail. */
  readonly refused: number;
}

/** The count so far. */
export class Tally {
  readonly #failures: FailureSchedule;
  readonly #events = new Map<string, { readonly failures: number; calls: number }>();
  #unique = 0;
  #duplicates = 0;
  #refused = 0;

  constructor(failures: FailureSchedule) {
    this.#failures = failures;
  }

  /** Counts a call for event `key`; whether it is to be taken. */
  take(key: string): boolean {
    let event = this.#events.get(key);
    if (event === undefined) {
      event = { failures: this.#failures(this.#events.size + 1), calls: 0 };
      this.#events.set(key, event);
    }
    event.calls += 1;
    if (event.calls <= event.failures) this.#refused += 1;
    else if (event.calls === event.failures + 1) this.#unique += 1;
    else this.#duplicates += 1;
    return event.calls > event.failures;
  }

  /** The figures. */
  get received(): Received {
    const [unique, duplicates, refused] = [this.#unique, this.#duplicates, this.#refused];
    return { unique, total: unique + duplicates + refused, duplicates, refused };
  }
}
