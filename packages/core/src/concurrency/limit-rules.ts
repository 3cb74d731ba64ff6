/** The rules by which an adaptive limit moves after a round of calls. They know nothing of time or of errors. */

/** What a round has shown. */
export interface Round {
  /** The limit during the round, with its fraction. */
  readonly limit: number;
  /** Mean duration of its calls, in milliseconds. */
  readonly meanMs: number;
  /** Whether at least half of the limit was in use; if not, the round says nothing about the limit. */
  readonly busy: boolean;
  /** Whether the limit is at its minimum, where calls do not slow each other down. */
  readonly lowest: boolean;
}

/** Says where the limit goes after a round without overload; fractions are kept. */
export interface LimitRule {
  /** Mean duration of a call without load, in milliseconds, where the rule knows such a thing. */
  readonly unloadedMs: number | undefined;
  next(round: Round): number;
}

/** One more after every good round. */
export class AdditiveIncrease implements LimitRule {
  readonly unloadedMs: undefined = undefined;

  next({ limit, busy }: Round): number {
    return busy ? limit + 1 : limit;
  }
}

/** How much of the way to its target the limit goes in one round; less is calmer and slower. */
const STEP = 0.2;

/**
 * As much as the callee takes without becoming slower than `tolerance` times what it needs without load. That time is learned
 * downwards from every round, and upwards only from rounds at the lowest limit: a mean would drift up with the overload.
 */
export class Gradient implements LimitRule {
  readonly #tolerance: number;
  #unloadedMs: number | undefined;

  constructor(tolerance: number) {
    this.#tolerance = tolerance;
  }

  get unloadedMs(): number | undefined {
    return this.#unloadedMs;
  }

  next({ limit, meanMs, busy, lowest }: Round): number {
    const unloadedMs = this.#learn(meanMs, lowest);
    if (!busy) return limit;
    const slackMs = this.#tolerance * unloadedMs - meanMs;
    const target = slackMs >= 0 ? limit + Math.sqrt(limit) : limit * Math.max(0.5, 1 + slackMs / meanMs);
    return limit + (target - limit) * STEP;
  }

  #learn(meanMs: number, lowest: boolean): number {
    const known = this.#unloadedMs ?? meanMs;
    this.#unloadedMs = meanMs < known || lowest ? known + (meanMs - known) * STEP : known;
    return this.#unloadedMs;
  }
}
