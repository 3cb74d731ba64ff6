/** What a process says by its exit code: 0 only where everything was finished, or stopped when asked. */
import { constants } from 'node:os';
import type { ShutdownReport } from '@holdfast/core';

/** Exit code of a shutdown that did not end in time. */
export const TIMED_OUT = 124;

/** Number of a signal by its name; 0 where this platform has no such signal. */
export function signalNumber(signal: string): number {
  const entry = Object.entries(constants.signals).find(([name]) => name === signal);
  return entry === undefined ? 0 : entry[1];
}

/** The exit code of an outcome; `signal` is the one that forced it. */
export function exitCode(outcome: ShutdownReport['outcome'], signal: string): number {
  if (outcome === 'clean') return 0;
  if (outcome === 'timed-out') return TIMED_OUT;
  return outcome === 'forced' ? 128 + signalNumber(signal) : 1;
}
