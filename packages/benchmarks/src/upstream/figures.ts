/** What a run came to: how many were served in time, at what price for the upstream, and how soon again after the outage. */
import type { Answer } from './load.ts';
import { PHASES, boundsOf, type Phase, type Stretch } from './schedule.ts';
import type { UpstreamCounts } from './upstream.ts';

/** What one contender came to. */
export interface Figures {
  readonly name: string;
  /** Requests per second that were served within their deadline, by phase and over all. */
  readonly goodput: Readonly<Record<Phase | 'total', number>>;
  /** Requests that the upstream received, by phase. */
  readonly calls: Readonly<Record<Phase, number>>;
  /** Requests that the upstream received for each that was served in time. */
  readonly callsPerSuccess: number;
  /** The first second after the outage in which 95 % were served in time, counted from 1; `undefined` where there was none. */
  readonly recoveredAfterS: number | undefined;
  /** Time until a request that was served in time was so, in milliseconds. */
  readonly servedMs: { readonly p50: number; readonly p99: number };
  /** Time until a request that came during the outage had an answer, good or bad, in milliseconds. */
  readonly outageAnswerMs: { readonly p50: number; readonly p99: number };
  /** Requests whose caller was still kept waiting well after the deadline. */
  readonly late: number;
  /** Requests sent again before the `Retry-After` they had been given allowed. */
  readonly early: number;
  readonly longestLine: number;
}

/** Share of a second's requests that must be served for the upstream to be back. */
const RECOVERED = 0.95;

/** Reduces a run to its figures. */
export function figuresOf(
  name: string,
  answers: readonly Answer[],
  { calls, early, longestLine }: UpstreamCounts,
  schedule: readonly Stretch[],
  deadlineMs: number,
): Figures {
  const inTime = ({ ok, tookMs }: Answer): boolean => ok && tookMs <= deadlineMs;
  const served = answers.filter(inTime);
  const of = (phase: Phase): { readonly due: readonly Answer[]; readonly seconds: number } => {
    const { fromMs, toMs } = boundsOf(schedule, phase);
    return {
      due: answers.filter(({ dueMs }) => dueMs >= fromMs && dueMs < toMs),
      seconds: (toMs - fromMs) / 1_000,
    };
  };
  const perSecond = (phase: Phase): number => {
    const { due, seconds } = of(phase);
    return seconds === 0 ? 0 : due.filter(inTime).length / seconds;
  };
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  return {
    name,
    goodput: {
      healthy: perSecond('healthy'),
      flaky: perSecond('flaky'),
      outage: perSecond('outage'),
      recovery: perSecond('recovery'),
      total: served.length / PHASES.reduce((sum, phase) => sum + of(phase).seconds, 0),
    },
    calls,
    callsPerSuccess: total / served.length,
    recoveredAfterS: recoveredAfterS(of('recovery').due, boundsOf(schedule, 'recovery').fromMs, inTime),
    servedMs: quantiles(served),
    outageAnswerMs: quantiles(of('outage').due),
    late: answers.filter(({ late }) => late).length,
    early,
    longestLine,
  };
}

function recoveredAfterS(
  due: readonly Answer[],
  fromMs: number,
  inTime: (answer: Answer) => boolean,
): number | undefined {
  const bySecond: { all: number; served: number }[] = [];
  for (const answer of due) {
    const second = Math.floor((answer.dueMs - fromMs) / 1_000);
    const counts = (bySecond[second] ??= { all: 0, served: 0 });
    counts.all += 1;
    if (inTime(answer)) counts.served += 1;
  }
  const first = bySecond.findIndex(({ all, served }) => served / all >= RECOVERED);
  return first < 0 ? undefined : first + 1;
}

function quantiles(answers: readonly Answer[]): { p50: number; p99: number } {
  const sorted = answers.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
