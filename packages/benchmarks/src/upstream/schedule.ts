/** What is wrong with the upstream, and when. The same seed gives the same schedule, in the same order, to every contender. */

/** The parts of a run, in order. */
export const PHASES = ['healthy', 'flaky', 'outage', 'recovery'] as const;

/** One part of a run. */
export type Phase = (typeof PHASES)[number];

/**
 * What a request may meet: a service that takes ten times as long, a connection reset, a 503, a 429 with `Retry-After: 1`, an
 * upstream that accepts and never answers, a body that comes a byte at a time.
 */
export const FAULTS = ['slow', 'reset', '503', '429', 'silent', 'drip'] as const;

/** One way to fail. */
export type Fault = (typeof FAULTS)[number];

/** A time in which one share of the requests meets one of these faults. */
export interface Stretch {
  readonly phase: Phase;
  /** From the start of the run, in milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly faults: readonly Fault[];
  readonly share: number;
}

/** How long the parts of a run are, in milliseconds. */
export interface Lengths {
  readonly healthy: number;
  readonly flaky: number;
  /** Of each of the outage's nine stretches. */
  readonly stretch: number;
  readonly recovery: number;
}

/** Share of requests that fail while the upstream is flaky, and while it is out. */
const FLAKY = 0.1;
const OUT = 0.9;

/** A generator of chance (mulberry32) that gives the same draws for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Healthy, then flaky, then an outage that shows each fault by itself and three times all at once, in an order of chance. */
export function scheduleOf(seed: number, lengths: Lengths): readonly Stretch[] {
  const random = seeded(seed);
  const outage: (readonly Fault[])[] = [...FAULTS.map((fault) => [fault]), FAULTS, FAULTS, FAULTS];
  for (let at = outage.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [outage[at], outage[other]] = [outage[other] ?? [], outage[at] ?? []];
  }
  const stretches: Stretch[] = [];
  const add = (phase: Phase, lengthMs: number, faults: readonly Fault[], share: number): void => {
    const fromMs = stretches.at(-1)?.toMs ?? 0;
    stretches.push({ phase, fromMs, toMs: fromMs + lengthMs, faults, share });
  };
  add('healthy', lengths.healthy, [], 0);
  add('flaky', lengths.flaky, ['reset', '503'], FLAKY);
  for (const faults of outage) add('outage', lengths.stretch, faults, OUT);
  add('recovery', lengths.recovery, [], 0);
  return stretches;
}

/** The stretch at that time; the last one also after its end. */
export function stretchAt(schedule: readonly Stretch[], atMs: number): Stretch {
  const found = schedule.find(({ toMs }) => atMs < toMs) ?? schedule.at(-1);
  if (found === undefined) throw new Error('the schedule is empty');
  return found;
}

/** When a phase begins and ends, in milliseconds from the start of the run. */
export function boundsOf(schedule: readonly Stretch[], phase: Phase): { fromMs: number; toMs: number } {
  const own = schedule.filter((stretch) => stretch.phase === phase);
  return { fromMs: own[0]?.fromMs ?? 0, toMs: own.at(-1)?.toMs ?? 0 };
}
