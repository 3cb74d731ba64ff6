/**
 * A timer for what is mostly over before its deadline. Setting a timer costs more than a guarded call, so it is set some microtasks
 * later, if it is still wanted by then. The time counts from the beginning all the same.
 */
import type { Deadline } from './deadline.ts';
import { Timer } from './timer.ts';

/** How many microtasks work has to be over in before a timer is set. */
const PATIENCE = 4;

const realTimer: typeof setTimeout = setTimeout;
const settled: Promise<void> = /* @__PURE__ */ Promise.resolve();

/** One timer. */
export class PatientTimer extends Timer {
  #wanted: (() => void) | undefined;

  /** Calls `ring` when `deadline` passes, in place of what was set before. */
  until(deadline: Deadline, ring: () => void): void {
    this.clear();
    // a fake clock may be moved before the first microtask
    if (setTimeout !== realTimer) return this.set(deadline.remainingMs, ring);
    this.#wanted = ring;
    this.#wait(PATIENCE, deadline, ring);
  }

  override clear(): void {
    this.#wanted = undefined;
    super.clear();
  }

  #wait(patience: number, deadline: Deadline, ring: () => void): void {
    void settled.then(() => this.#waited(patience, deadline, ring));
  }

  #waited(patience: number, deadline: Deadline, ring: () => void): void {
    if (this.#wanted !== ring) return;
    if (patience > 0) this.#wait(patience - 1, deadline, ring);
    else this.set(deadline.remainingMs, ring);
  }
}
