/** Options of a circuit breaker, checked and completed. */
import {
  checkInteger,
  checkName,
  checkOptions,
  checkRate,
  checkTimeoutMs,
  invalidType,
  outOfRange,
} from '../options/checks.ts';
import { Circuit } from './circuit.ts';
import { checkErrorFilter, type ErrorFilter } from './error-filter.ts';
import { CountWindow, TimeWindow } from './sliding-window.ts';

/** How a breaker is made. */
export interface CircuitBreakerOptions {
  /** Names it in events, errors and statistics. @default 'circuit-breaker' */
  readonly name?: string | undefined;
  /** Judges the calls of this many milliseconds. @default 30_000, where `windowSize` is not given */
  readonly windowMs?: number | undefined;
  /** Judges this many calls, the last ones, instead of a time. */
  readonly windowSize?: number | undefined;
  /** Calls in the window before a rate means something. @default 20, or `windowSize` where that is less */
  readonly minimumCalls?: number | undefined;
  /** Share of failures at which it opens: above 0, at most 1. @default 0.5 */
  readonly failureRate?: number | undefined;
  /** A call that takes this long is slow, whether it fails or not. @default Infinity */
  readonly slowCallMs?: number | undefined;
  /** Share of slow calls at which it opens. @default 1 */
  readonly slowRate?: number | undefined;
  /** Failures in a row at which it opens, however few calls there are. @default Infinity */
  readonly consecutiveFailures?: number | undefined;
  /** How long it stays open, in milliseconds; doubles with each failed recovery. @default 5_000 */
  readonly breakMs?: number | undefined;
  /** Longest break, in milliseconds. @default 60_000, or `breakMs` where that is more */
  readonly maxBreakMs?: number | undefined;
  /** How many trials decide whether it closes again. @default 3 */
  readonly halfOpenCalls?: number | undefined;
  /** How long trials may take, in milliseconds, before hanging counts as failing. @default `breakMs` */
  readonly halfOpenMaxMs?: number | undefined;
  /** Which errors are failures; with any other, the callee has answered. @default all but an HttpStatusError below 500 */
  readonly failureIf?: ErrorFilter | undefined;
}

const KEYS: readonly (keyof CircuitBreakerOptions)[] = [
  'name',
  'windowMs',
  'windowSize',
  'minimumCalls',
  'failureRate',
  'slowCallMs',
  'slowRate',
  'consecutiveFailures',
  'breakMs',
  'maxBreakMs',
  'halfOpenCalls',
  'halfOpenMaxMs',
  'failureIf',
];

/**
 * Makes the circuit that `options` describe.
 *
 * @throws TypeError, RangeError on bad options.
 */
export function makeCircuit(options: CircuitBreakerOptions): Circuit {
  checkOptions('options', options, KEYS);
  const { windowSize, windowMs, slowCallMs, slowRate, failureIf, breakMs = 5_000 } = options;
  if (windowMs !== undefined && windowSize !== undefined)
    throw invalidType('windowSize', 'absent where windowMs is given', windowSize);
  if (slowRate !== undefined && slowCallMs === undefined)
    throw invalidType('slowRate', 'absent where slowCallMs is', slowRate);
  const size = windowSize === undefined ? Infinity : checkInteger('windowSize', windowSize, 1);
  const spanMs = checkTimeoutMs('windowMs', windowMs ?? 30_000);
  if (spanMs === Infinity) throw outOfRange('windowMs', 'finite', spanMs);
  const minimumCalls = checkInteger('minimumCalls', options.minimumCalls ?? Math.min(20, size), 1);
  if (minimumCalls > size) throw outOfRange('minimumCalls', `at most windowSize, ${size}`, minimumCalls);
  checkTimeoutMs('breakMs', breakMs);
  const maxBreakMs = checkTimeoutMs('maxBreakMs', options.maxBreakMs ?? Math.max(60_000, breakMs));
  if (maxBreakMs < breakMs) throw outOfRange('maxBreakMs', `at least breakMs, ${breakMs}`, maxBreakMs);
  if (failureIf !== undefined) checkErrorFilter('failureIf', failureIf);
  return new Circuit(
    {
      name: checkName('name', options.name ?? 'circuit-breaker'),
      minimumCalls,
      failureRate: checkRate('failureRate', options.failureRate ?? 0.5),
      slowCallMs: checkTimeoutMs('slowCallMs', slowCallMs ?? Infinity),
      slowRate: checkRate('slowRate', slowRate ?? 1),
      consecutiveFailures: checkInteger(
        'consecutiveFailures',
        options.consecutiveFailures ?? Infinity,
        1,
        true,
      ),
      breakMs,
      maxBreakMs,
      halfOpenCalls: checkInteger('halfOpenCalls', options.halfOpenCalls ?? 3, 1),
      halfOpenMaxMs: checkTimeoutMs('halfOpenMaxMs', options.halfOpenMaxMs ?? breakMs),
      failureIf,
    },
    windowSize === undefined ? new TimeWindow(spanMs) : new CountWindow(size),
  );
}
