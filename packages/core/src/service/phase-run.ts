/**
 * One phase while it runs: what it waits for, and when it stops waiting. Its timer keeps the process alive, so a promise that is
 * lost cannot end the process as if all were well; its signal aborts when the phase is over before its work is.
 */
import type { ShutdownPhase } from '../component.ts';
import { TimeoutError } from '../errors/timeout-error.ts';
import { now } from '../runtime.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';

/** A phase that has begun. */
export class PhaseRun {
  readonly phase: ShutdownPhase;
  readonly #startedAt: number = now();
  readonly #abort: LazyAbort = new LazyAbort();
  readonly #onTime: () => void;
  #limitMs: number;
  #timer: ReturnType<typeof setTimeout>;
  #working = 0;
  readonly #steps: Promise<unknown>[] = [];
  #over = false;
  #wake: (() => void) | undefined;

  /** Ends by itself after `limitMs`, having called `onTime`. */
  constructor(phase: ShutdownPhase, limitMs: number, onTime: () => void) {
    this.phase = phase;
    this.#onTime = onTime;
    this.#limitMs = limitMs;
    this.#timer = setTimeout(() => this.#expire(), limitMs);
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#over;
  }

  /** Aborts when the phase ends before its work does. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Milliseconds it has taken. */
  get elapsedMs(): number {
    return now() - this.#startedAt;
  }

  /** Milliseconds it may still take. */
  get remainingMs(): number {
    return this.#over ? 0 : Math.max(0, this.#limitMs - this.elapsedMs);
  }

  /** Makes the phase wait for `work`, which must not reject. */
  add(work: Promise<unknown>): void {
    this.#working += 1;
    const leave = (): void => {
      this.#working -= 1;
      if (this.#working === 0) this.#wake?.();
    };
    work.then(leave, leave);
  }

  /** Makes the phase wait for hooks and disposals, which settle as soon as it has ended, at the latest. */
  addStep(step: Promise<unknown>): void {
    this.#steps.push(step);
    this.add(step);
  }

  /** Resolves when all steps have settled. */
  async stepsSettled(): Promise<void> {
    await Promise.all(this.#steps);
  }

  /** Resolves when all that was added is done, or when the phase has ended. */
  async done(): Promise<void> {
    if (this.#over || this.#working === 0) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Leaves it at most `limitMs` from now. */
  shorten(limitMs: number): void {
    if (this.remainingMs <= limitMs) return;
    clearTimeout(this.#timer);
    this.#limitMs = this.elapsedMs + limitMs;
    this.#timer = setTimeout(() => this.#expire(), limitMs);
  }

  /** Ends it; what still works is told by its signal. */
  end(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#abort.abort(reason);
    this.#wake?.();
  }

  #expire(): void {
    this.#onTime();
    this.end(new TimeoutError(`Phase "${this.phase}"`, 'total', this.#limitMs));
  }
}
