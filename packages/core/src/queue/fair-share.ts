/**
 * Keeps work that never waits for anything outside from holding the event loop for good: promises alone let neither timers nor
 * sockets have their turn. Asking is nearly free; the clock is read once in many times.
 */
import { now } from '../runtime.ts';

const SHARE_MS = 10;
const LOOK_EVERY = 64;

/** How long a loop has gone on without a break. */
export class FairShare {
  #asked = 0;
  #since: number = now();

  /** Whether it is time for a break; to be asked after each piece of work. */
  get spent(): boolean {
    this.#asked += 1;
    return this.#asked % LOOK_EVERY === 0 && now() - this.#since > SHARE_MS;
  }

  /** The break is over. */
  renew(): void {
    this.#since = now();
  }
}
