/**
 * Measures contenders side by side: every round runs each of them once, in an order that rotates, so that a slow moment of the
 * machine hits all alike. A ratio is the median of the rounds' own ratios, not a ratio of medians.
 */
import type { Case } from './case.ts';

/** Figures of one contender over all rounds. */
export interface Measured {
  readonly name: string;
  /** Median time of one run, in milliseconds. */
  readonly medianMs: number;
  /** Median distance from the median, as a share of it. */
  readonly spread: number;
  /** Median time of one operation, in microseconds. */
  readonly perOperationUs: number;
  /** How many times as long as ours a round of this contender takes; 1 for ours. */
  readonly ratio: number;
}

/** How often each contender runs. */
export interface Rounds {
  readonly warmUp: number;
  readonly measured: number;
}

/** Runs all contenders of `subject` in interleaved rounds. */
export async function measure(subject: Case, rounds: Rounds): Promise<readonly Measured[]> {
  const times = subject.contenders.map((): number[] => []);
  for (let round = 0; round < rounds.warmUp + rounds.measured; round += 1) {
    for (let turn = 0; turn < subject.contenders.length; turn += 1) {
      const at = (turn + round) % subject.contenders.length;
      await subject.contenders[at]?.prepare?.();
      globalThis.gc?.();
      const start = performance.now();
      await subject.contenders[at]?.run();
      if (round >= rounds.warmUp) times[at]?.push(performance.now() - start);
    }
  }
  for (const contender of subject.contenders) contender.close?.();
  const ours = times[0] ?? [];
  return subject.contenders.map(({ name }, at) => {
    const own = times[at] ?? [];
    const middle = median(own);
    return {
      name,
      medianMs: middle,
      spread: median(own.map((time) => Math.abs(time - middle))) / middle,
      perOperationUs: (middle * 1_000) / subject.operations,
      ratio: median(own.map((time, round) => time / (ours[round] ?? Number.NaN))),
    };
  });
}

/** The middle value; the mean of the two middle ones where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? Number.NaN)) / 2 : upper;
}
