/**
 * When a loop is overloaded, and how much of the load to refuse. Two bad samples in a row begin it and a good one ends it, with a
 * gap between bad and good, so that one slow request sheds nothing and the state does not flutter.
 */

/** The limits between good and bad. */
export interface OverloadLimits {
  /** Utilization above which a sample is bad. */
  readonly maxUtilization: number;
  /** Longest block above which a sample is bad, in milliseconds. */
  readonly maxDelayMs: number;
}

/** One look at the loop. */
export interface LoopSample {
  /** Share of the time the loop was busy, 0 to 1. */
  readonly utilization: number;
  /** Longest time it was blocked, in milliseconds. */
  readonly delayMs: number;
}

const BAD_IN_A_ROW = 2;
/** How far below the limit the utilization has to fall for the overload to end. */
const RECOVERY_GAP = 0.1;
/** From how far below the limit to how far above it the refused share grows from nothing to everything. */
const RAMP_BELOW = 0.05;
const RAMP_ABOVE = 0.03;
const SMALLEST_SHARE = 0.1;

/** The state of a loop. */
export class Overload {
  readonly #limits: OverloadLimits;
  #bad = 0;
  #share = 0;

  constructor(limits: OverloadLimits) {
    this.#limits = limits;
  }

  /** Whether the loop is overloaded. */
  get active(): boolean {
    return this.#share > 0;
  }

  /** The share of new work to refuse, 0 to 1. */
  get share(): number {
    return this.#share;
  }

  /** Takes one more look into account. */
  take(sample: LoopSample): void {
    const { maxUtilization, maxDelayMs } = this.#limits;
    const { utilization, delayMs } = sample;
    const isBad = utilization > maxUtilization || delayMs > maxDelayMs;
    this.#bad = isBad ? this.#bad + 1 : 0;
    const goesOn = this.active && (isBad || utilization > maxUtilization - RECOVERY_GAP);
    this.#share = this.#bad >= BAD_IN_A_ROW || goesOn ? this.#shareOf(sample) : 0;
  }

  #shareOf({ utilization, delayMs }: LoopSample): number {
    const { maxUtilization, maxDelayMs } = this.#limits;
    const byUtilization = (utilization - maxUtilization + RAMP_BELOW) / (RAMP_BELOW + RAMP_ABOVE);
    const byDelay = delayMs > maxDelayMs ? delayMs / (2 * maxDelayMs) : 0;
    return Math.min(1, Math.max(SMALLEST_SHARE, byUtilization, byDelay));
  }
}
