/** What a rolling update cost. */
import type { ClientsWord } from './clients-process.ts';
import type { Ending } from './replica-process.ts';

/** The figures of one rolling update. */
export interface Result {
  readonly requests: number;
  /** How many requests failed, by kind: REFUSED, RESET, TIMEOUT, or the status of the answer. */
  readonly failed: Readonly<Record<string, number>>;
  /** How many items were answered with 202. */
  readonly accepted: number;
  /** How many of those were never processed. */
  readonly lost: number;
  /** How many items were processed more than once. */
  readonly repeated: number;
  /** The longest time from SIGTERM to the end of the process, in milliseconds. */
  readonly longestMs: number;
  /** How often replicas ended with which exit code or signal. */
  readonly exits: Readonly<Record<string, number>>;
}

/** What was seen, on all sides. */
export interface Seen {
  readonly seen: ClientsWord;
  readonly refused: number;
  readonly processed: readonly string[];
  readonly endings: readonly Ending[];
}

/** Counts. A connection that a replica refuses is one that the balancer has taken and resets, so it has to be told apart here. */
export function tally({ seen, refused, processed, endings }: Seen): Result {
  const failed = new Map<string, number>();
  for (const { kind } of seen.failures) increment(failed, kind);
  if (refused > 0) {
    const reset = (failed.get('RESET') ?? 0) - refused;
    failed.set('REFUSED', refused);
    if (reset > 0) failed.set('RESET', reset);
    else failed.delete('RESET');
  }
  const exits = new Map<string, number>();
  for (const { exit } of endings) increment(exits, exit);

  const done = new Set(processed);
  return {
    requests: seen.requests,
    failed: Object.fromEntries(failed),
    accepted: seen.accepted.length,
    lost: seen.accepted.filter((id) => !done.has(id)).length,
    repeated: processed.length - done.size,
    longestMs: Math.max(...endings.map(({ durationMs }) => durationMs)),
    exits: Object.fromEntries(exits),
  };
}

/** How many requests failed. */
export function failures({ failed }: Result): number {
  return Object.values(failed).reduce((sum, count) => sum + count, 0);
}

/** Whether nothing was lost, and every replica ended well. */
export function lossless(result: Result): boolean {
  return (
    failures(result) === 0 &&
    result.lost === 0 &&
    result.repeated === 0 &&
    Object.keys(result.exits).join() === '0'
  );
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
