/** What a call rejects with when its time is over. */
import { HoldfastError } from './holdfast-error.ts';

/** Which clock ran out: one attempt's, the whole call's, an inherited deadline's, or a wait in line. */
export type TimeoutKind = 'attempt' | 'total' | 'deadline' | 'wait';

/** The time given has passed (code `TIMEOUT`). The work may still be running; its signal was aborted with this error. */
export class TimeoutError extends HoldfastError {
  override readonly name = 'TimeoutError';
  override readonly code = 'TIMEOUT';
  /** Which clock ran out. */
  readonly kind: TimeoutKind;
  /** How much time was given, in milliseconds. */
  readonly timeoutMs: number;

  constructor(what: string, kind: TimeoutKind, timeoutMs: number) {
    super(`${what} timed out after ${Math.round(timeoutMs)} ms (${kind})`);
    this.kind = kind;
    this.timeoutMs = timeoutMs;
  }
}
