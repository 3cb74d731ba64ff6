/** Whether a demand was met, by the figures of one case. */
import type { Case, Demand } from './case.ts';
import type { Measured } from './measure.ts';

/** A demand and what was reached. */
export interface Verdict {
  readonly demand: string;
  readonly reached: string;
  readonly met: boolean;
}

/** Judges every demand of `subject`. */
export function judge(subject: Case, measured: readonly Measured[]): readonly Verdict[] {
  return subject.demands.map((demand) => verdict(demand, subject, measured));
}

function verdict(demand: Demand, subject: Case, [ours, ...peers]: readonly Measured[]): Verdict {
  if ('perSecond' in demand) {
    const reached = (subject.operations / (ours?.medianMs ?? Number.NaN)) * 1_000;
    return {
      demand: `at least ${millions(demand.perSecond)} M/s`,
      reached: `${millions(reached)} M/s`,
      met: reached >= demand.perSecond,
    };
  }
  const against =
    demand.against === 'fastest peer'
      ? peers.toSorted((a, b) => a.ratio - b.ratio)[0]
      : peers.find(({ name }) => name === demand.against);
  if (against === undefined) throw new Error(`${subject.name}: no contender is called ${demand.against}`);
  const who = demand.against === 'fastest peer' ? `the fastest peer (${against.name})` : against.name;
  return {
    demand: `at least ${demand.ratio} times ${who}`,
    reached: against.ratio.toFixed(2),
    met: against.ratio >= demand.ratio,
  };
}

function millions(perSecond: number): string {
  return (perSecond / 1e6).toFixed(2);
}
