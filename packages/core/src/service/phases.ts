/**
 * How much time a shutdown has, and how its phases share it. Everything lies inside one budget: a phase may take its cap and what
 * earlier ones left, and at the cut (the budget less a reserve) whatever phase is running ends and the flush begins.
 */
import type { ShutdownPhase } from '../component.ts';
import { MAX_TIMER_MS, checkBetween, checkDelayMs, checkOneOf, checkOptions } from '../options/checks.ts';

/** Where the service runs: how long that place waits before it kills. */
export type ShutdownPreset = 'k8s' | 'docker' | 'pm2' | 'cloudrun';

/** How a shutdown shares its time. */
export interface ShutdownTimes {
  /** Sets the budget and the phases' shares for a place to run in. @default 'k8s' */
  readonly preset?: ShutdownPreset | undefined;
  /** Longest time the whole shutdown may take, in milliseconds. @default 25_000 (docker, cloudrun 9_000; pm2 1_500) */
  readonly budgetMs?: number | undefined;
  /** Caps of single phases in milliseconds; those not set scale with the budget. */
  readonly phases?: Readonly<Partial<Record<ShutdownPhase, number | undefined>>> | undefined;
}

/** The times, decided. */
export interface PhasePlan {
  readonly budgetMs: number;
  /** When the phase that runs then ends, and the flush begins. */
  readonly cutMs: number;
  /** What a flush gets even where nothing is left. */
  readonly reserveMs: number;
  /** How long a start that was interrupted may take to settle. */
  readonly startGraceMs: number;
  readonly caps: Readonly<Record<ShutdownPhase, number>>;
  /** The lame duck for triggers of which a balancer learns late. */
  readonly lateBalancerMs: number;
  /** By how much the lame duck was cut because it did not fit. */
  readonly lameDuckCutMs: number;
}

/** All phases, in order. */
export const PHASES: readonly ShutdownPhase[] = ['lame-duck', 'intake', 'drain', 'cancel', 'close', 'flush'];

type Shares = Readonly<Record<ShutdownPhase, number>>;

const SHARES: Shares = {
  'lame-duck': 5 / 25,
  intake: 0,
  drain: 10 / 25,
  cancel: 2 / 25,
  close: 5 / 25,
  flush: 2 / 25,
};
const PM2_SHARES: Shares = {
  'lame-duck': 0,
  intake: 0,
  drain: 7 / 15,
  cancel: 2 / 15,
  close: 3 / 15,
  flush: 2 / 15,
};

const PRESETS: Readonly<Record<ShutdownPreset, { readonly budgetMs: number; readonly shares: Shares }>> = {
  k8s: { budgetMs: 25_000, shares: SHARES },
  docker: { budgetMs: 9_000, shares: SHARES },
  cloudrun: { budgetMs: 9_000, shares: SHARES },
  pm2: { budgetMs: 1_500, shares: PM2_SHARES },
};

const LONGEST_RESERVE_MS = 500;

/**
 * Decides the times. A lame duck beyond the budget is cut so that the other phases keep theirs, with a warning on the console.
 *
 * @throws TypeError, RangeError on bad times.
 */
export function planPhases({ preset = 'k8s', budgetMs, phases = {} }: ShutdownTimes): PhasePlan {
  const place = PRESETS[checkOneOf('shutdown.preset', preset, ['k8s', 'docker', 'pm2', 'cloudrun'])];
  const budget = checkBetween('shutdown.budgetMs', budgetMs ?? place.budgetMs, 1, MAX_TIMER_MS);
  checkOptions('shutdown.phases', phases, PHASES);
  const cap = (phase: ShutdownPhase): number => {
    const given = phases[phase];
    if (given !== undefined) return checkDelayMs(`shutdown.phases.${phase}`, given);
    return phase === 'lame-duck' ? 0 : budget * place.shares[phase];
  };
  const caps: Record<ShutdownPhase, number> = {
    'lame-duck': cap('lame-duck'),
    intake: cap('intake'),
    drain: cap('drain'),
    cancel: cap('cancel'),
    close: cap('close'),
    flush: cap('flush'),
  };
  const reserveMs = Math.min(LONGEST_RESERVE_MS, budget / 5);
  const cutMs = budget - reserveMs;
  const wantedMs = caps['lame-duck'];
  if (wantedMs > cutMs) {
    const restMs = caps.intake + caps.drain + caps.cancel + caps.close;
    const shortMs = Math.max(0, cutMs - restMs);
    console.warn(
      `A lame duck of ${wantedMs} ms does not fit into a shutdown of ${budget} ms: cut to ${shortMs} ms`,
    );
    caps['lame-duck'] = shortMs;
  }
  return {
    budgetMs: budget,
    cutMs,
    reserveMs,
    startGraceMs: budget / 5,
    caps,
    lameDuckCutMs: wantedMs - caps['lame-duck'],
    lateBalancerMs:
      phases['lame-duck'] === undefined ? budget * place.shares['lame-duck'] : caps['lame-duck'],
  };
}

/** How long one phase may take. */
export interface PhaseTime {
  /** Its cap and what earlier phases left: what it does not use goes to later ones. */
  readonly allowedMs: number;
  /** When it ends. */
  readonly limitMs: number;
  /** Whether it ends then because the budget does. */
  readonly isCut: boolean;
}

/**
 * Decides the time of a phase that begins after `elapsedMs`, when earlier ones have left `carryMs`. Lame duck and intake last as
 * long as their hooks do, each of which has a time-out. A flush gets the reserve whatever is left, and a forced one no more.
 */
export function phaseTime(
  { budgetMs, caps, cutMs, reserveMs }: PhasePlan,
  phase: ShutdownPhase,
  elapsedMs: number,
  carryMs: number,
  forced: boolean,
): PhaseTime {
  const allowedMs = caps[phase] + carryMs;
  if (phase === 'flush') {
    const wantedMs = forced ? reserveMs : Math.max(reserveMs, allowedMs);
    const leftMs = budgetMs - elapsedMs;
    return {
      allowedMs,
      limitMs: leftMs > 0 ? Math.min(wantedMs, leftMs) : reserveMs,
      isCut: leftMs < wantedMs,
    };
  }
  const wantedMs = phase === 'lame-duck' || phase === 'intake' ? Infinity : allowedMs;
  const leftMs = Math.max(0, cutMs - elapsedMs);
  return { allowedMs, limitMs: Math.min(wantedMs, leftMs), isCut: leftMs < wantedMs };
}
