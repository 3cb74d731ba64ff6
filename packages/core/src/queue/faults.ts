/** What a loop says of its failures: always an event, and to the console at most once a minute while nobody subscribes. */
import { emit, observed } from '../events/bus.ts';
import { now } from '../runtime.ts';

const SILENCE_MS = 60_000;

/** What an event says of a failure. */
export interface FaultData extends Readonly<Record<string, unknown>> {
  readonly error: unknown;
}

/** The failures of one loop. */
export class Faults {
  readonly #queue: string;
  #lastSaid = -Infinity;
  #unsaid = 0;

  constructor(queue: string) {
    this.#queue = queue;
  }

  /** Reports a failure after which the loop goes on. */
  report(type: string, what: string, data: FaultData): void {
    if (observed()) {
      emit(type, this.#queue, data);
      return;
    }
    const at = now();
    if (at - this.#lastSaid < SILENCE_MS) {
      this.#unsaid += 1;
      return;
    }
    const more = this.#unsaid === 0 ? '' : ` (and ${this.#unsaid} more since the last report)`;
    this.#lastSaid = at;
    this.#unsaid = 0;
    console.error(`Queue "${this.#queue}": ${what}${more}`, data.error);
  }

  /** Reports the failure that ended the loop. */
  stopped(what: string, error: unknown): void {
    if (observed()) emit('queue.loop-stopped', this.#queue, { error });
    else console.error(`Queue "${this.#queue}": ${what}`, error);
  }
}
