/** A moment after which an answer is of no use. It is relative and monotonic, so clocks that differ or step do not matter. */
import { TimeoutError } from '../errors/timeout-error.ts';
import { checkDelayMs } from '../options/checks.ts';
import { keepShape, now } from '../runtime.ts';

/** A moment on the monotonic clock; the time-out that counts is the smaller of a call's own and what remains here. */
export class Deadline {
  readonly #at: number;

  private constructor(at: number) {
    this.#at = at;
  }

  /**
   * A deadline `timeoutMs` milliseconds from now; 0 has passed already, `Infinity` never passes.
   *
   * @throws TypeError, RangeError on anything but a number from 0 up.
   */
  static after(timeoutMs: number): Deadline {
    return new Deadline(now() + checkDelayMs('timeoutMs', timeoutMs, true));
  }

  /** Milliseconds left; 0 once passed. */
  get remainingMs(): number {
    return Math.max(0, this.#at - now());
  }

  /** Whether it has passed. */
  get expired(): boolean {
    return this.#at <= now();
  }

  /** Whether this one comes before `other`. */
  isBefore(other: Deadline): boolean {
    const left: { readonly remainingMs: number } = other;
    return #at in other ? this.#at < other.#at : this.remainingMs < left.remainingMs;
  }

  /** The error of a call, described by `what`, that had `givenMs` milliseconds when it began and has been ended by this deadline. */
  toError(what: string, givenMs: number): TimeoutError {
    return new TimeoutError(what, 'deadline', givenMs);
  }

  /** Prints as what remains. */
  toJSON(): { remainingMs: number } {
    return { remainingMs: this.remainingMs };
  }
}

/** The one that comes first; `undefined` where there is none. */
export function earliest(a: Deadline | undefined, b: Deadline | undefined): Deadline | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.isBefore(b) ? a : b;
}

const deadlines = /* @__PURE__ */ new WeakMap<AbortSignal, Deadline>();

/** Remembers which deadline a signal stands for, for those who are handed the signal alone. */
export function bindDeadline(signal: AbortSignal, deadline: Deadline): void {
  deadlines.set(signal, deadline);
}

/** The deadline that `signal` stands for, where it is the signal of a context that has one. */
export function deadlineOf(signal: AbortSignal): Deadline | undefined {
  return deadlines.get(signal);
}

keepShape(Deadline.after(Infinity));
