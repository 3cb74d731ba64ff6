/** How a circuit stands, in a form that outlives its process. */
import type { CircuitState } from '../errors/circuit-open-error.ts';
import { checkInteger, checkOneOf, checkOptions, invalidType } from '../options/checks.ts';

/** How a circuit stands, as plain JSON. */
export interface CircuitSnapshot {
  readonly state: CircuitState;
  /** When an open circuit lets a first call in, in milliseconds since the epoch; null for any other state. */
  readonly openUntil: number | null;
  /** Failed recoveries since it was last closed. */
  readonly reopenings: number;
  /** Calls in the window; of an open circuit, in the window that opened it; of a half-open one, its trials. */
  readonly settled: number;
  readonly failures: number;
  readonly slow: number;
  /** Calls refused since it was made. */
  readonly rejected: number;
  /** Outcomes that came after a transition, since it was made. */
  readonly staleOutcomes: number;
}

const STATES: readonly CircuitState[] = ['closed', 'open', 'half-open', 'isolated'];
const COUNTS = ['reopenings', 'settled', 'failures', 'slow', 'rejected', 'staleOutcomes'] as const;

/** Checks what comes from outside and is said to be a snapshot. */
export function checkSnapshot(snapshot: CircuitSnapshot): CircuitSnapshot {
  checkOptions('snapshot', snapshot);
  checkOneOf('snapshot.state', snapshot.state, STATES);
  for (const key of COUNTS) checkInteger(`snapshot.${key}`, snapshot[key], 0);
  if (snapshot.openUntil !== null && !Number.isFinite(snapshot.openUntil))
    throw invalidType('snapshot.openUntil', 'a finite number or null', snapshot.openUntil);
  return snapshot;
}
