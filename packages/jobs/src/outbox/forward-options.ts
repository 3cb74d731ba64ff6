/** How the rows of an outbox are forwarded, and what the options come to. */
import {
  MAX_TIMER_MS,
  checkBetween,
  checkDelayMs,
  checkInteger,
  checkName,
  checkOptions,
  invalidType,
  outOfRange,
} from '@holdfast/core/internal';

/** How rows are forwarded. */
export interface ForwardOptions {
  /** Names it in its service, events and statistics. @default '<outbox>-outbox' */
  readonly name?: string | undefined;
  /** How many rows are handed over together, from 1 to 1 000. @default 100 */
  readonly batchSize?: number | undefined;
  /** How often to look for rows that nothing announced, in milliseconds. @default 100 for SQLite, 1_000 for PostgreSQL */
  readonly pollMs?: number | undefined;
  /** How long the queue may take for a batch, a wait for room included, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number | undefined;
  /** How long rows stay with a forwarder that says nothing more, in milliseconds; longer than `timeoutMs`. @default 30_000 */
  readonly leaseMs?: number | undefined;
  /** From which age of the oldest row on the health is degraded, in milliseconds. @default 60_000 */
  readonly maxAgeMs?: number | undefined;
}

/** The options, checked. */
export interface ForwardSettings {
  readonly name: string;
  readonly batchSize: number;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly maxAgeMs: number;
  /** Whether the database is asked to say when there are rows. */
  readonly watch: boolean;
}

const KEYS = ['db', 'name', 'batchSize', 'pollMs', 'timeoutMs', 'leaseMs', 'maxAgeMs'];

/** Checks the options of `forward`. */
export function forwardSettings(
  queue: unknown,
  options: ForwardOptions,
  outbox: string,
  defaultPollMs: number,
  moreKeys: readonly string[] = [],
): ForwardSettings {
  if (typeof Reflect.get(Object(queue), 'enqueueMany') !== 'function')
    throw invalidType('queue', 'a JobQueue', queue);
  checkOptions('options', options, [...KEYS, ...moreKeys]);
  const { name = `${outbox}-outbox`, maxAgeMs = 60_000 } = options;
  const { batchSize = 100, pollMs = defaultPollMs, timeoutMs = 10_000, leaseMs = 30_000 } = options;
  checkInteger('batchSize', batchSize, 1);
  if (batchSize > 1_000) throw outOfRange('batchSize', 'at most 1000', batchSize);
  checkBetween('timeoutMs', timeoutMs, 1, MAX_TIMER_MS);
  checkBetween('leaseMs', leaseMs, 1, MAX_TIMER_MS);
  if (leaseMs <= timeoutMs) throw outOfRange('leaseMs', `above timeoutMs (${timeoutMs})`, leaseMs);
  return {
    name: checkName('name', name),
    batchSize,
    pollMs: checkBetween('pollMs', pollMs, 1, MAX_TIMER_MS),
    timeoutMs,
    leaseMs: Math.ceil(leaseMs),
    maxAgeMs: checkDelayMs('maxAgeMs', maxAgeMs, true),
    watch: true,
  };
}
