/**
 * A line of waiters, first come, first served. Joining, being served and leaving from the middle are constant time, and a
 * waiter is one object: node of the list, listener of its caller's signal, holder of its timer. A waiter is told exactly once:
 * whoever takes it out of the line, by `shift` or `remove`, owes it its answer.
 */
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkDelayMs } from '../options/checks.ts';
import { linkAbort, unlinkAbort, type AbortListener } from './abort-links.ts';
import { checkCallOptions, type CallOptions } from './work-context.ts';

/** What every call that waits for room, a turn or an item accepts. */
export interface WaitOptions extends CallOptions {
  /** Longest wait in milliseconds; 0 takes only what is there now. @default Infinity */
  readonly maxWaitMs?: number | undefined;
}

/** Checks the options of a call that waits. */
export function checkWaitOptions(options: WaitOptions): void {
  checkCallOptions(options);
  if (options.maxWaitMs !== undefined) checkDelayMs('maxWaitMs', options.maxWaitMs, true);
}

/** One that waits. */
export abstract class Waiter implements AbortListener {
  /** The line it stands in; kept by the line, like its neighbours. */
  line: WaitLine<Waiter> | undefined;
  previous: Waiter | undefined;
  next: Waiter | undefined;
  #signal: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The wait ended without a turn: the caller left, or its deadline passed. */
  abstract giveUp(error: unknown): void;

  /** `maxWaitMs` passed without a turn. */
  abstract late(maxWaitMs: number): void;

  onAbort(reason: unknown): void {
    if (this.line?.remove(this)) this.giveUp(reason);
  }

  /** Starts what may end the wait early; called by the line. */
  arm({ signal, deadline }: CallOptions, maxWaitMs: number): void {
    const remainingMs = deadline?.remainingMs ?? Infinity;
    if (remainingMs < maxWaitMs) {
      this.#timer = setTimeout(
        () => this.onAbort(new TimeoutError('Waiting', 'deadline', remainingMs)),
        remainingMs,
      );
    } else if (maxWaitMs !== Infinity) {
      this.#timer = setTimeout(() => {
        if (this.line?.remove(this)) this.late(maxWaitMs);
      }, maxWaitMs);
    }
    if (signal !== undefined) {
      this.#signal = signal;
      linkAbort(signal, this);
    }
  }

  /** Takes back what `arm` started; called by the line. */
  disarm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#signal !== undefined) unlinkAbort(this.#signal, this);
  }
}

/** Waiters in the order they came. */
export class WaitLine<W extends Waiter> {
  #first: W | undefined;
  #last: W | undefined;
  #size = 0;

  /** How many are waiting. */
  get size(): number {
    return this.#size;
  }

  /** Who is next. */
  get first(): W | undefined {
    return this.#first;
  }

  /** Who came last. */
  get last(): W | undefined {
    return this.#last;
  }

  /** Puts `waiter` at the end, until its signal aborts, its deadline or `maxWaitMs` passes. The signal must not be aborted yet. */
  join(waiter: W, options: CallOptions, maxWaitMs: number): void {
    waiter.line = this;
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size += 1;
    waiter.arm(options, maxWaitMs);
  }

  /** Puts `waiter` right before `next`, who stands in this line: for one who comes back to the place it had. */
  joinBefore(next: W, waiter: W, options: CallOptions, maxWaitMs: number): void {
    waiter.line = this;
    waiter.previous = next.previous;
    waiter.next = next;
    if (next.previous === undefined) this.#first = waiter;
    else next.previous.next = waiter;
    next.previous = waiter;
    this.#size += 1;
    waiter.arm(options, maxWaitMs);
  }

  /** Takes out the one that has waited longest. */
  shift(): W | undefined {
    const waiter = this.#first;
    if (waiter !== undefined) this.remove(waiter);
    return waiter;
  }

  /** Takes out `waiter`; false where it stands in this line no more. */
  remove(waiter: W): boolean {
    if (waiter.line !== this) return false;
    // the neighbours of a waiter were put there by this line, so they are of its kind
    const previous = waiter.previous as W | undefined;
    const next = waiter.next as W | undefined;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    waiter.line = waiter.previous = waiter.next = undefined;
    this.#size -= 1;
    waiter.disarm();
    return true;
  }
}
