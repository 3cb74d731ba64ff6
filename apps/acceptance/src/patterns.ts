/** Which test shows which pattern through HTTP or a child process: the rows of the table in the README. */

/** A pattern of the design, and the suite and sentence of its test. */
export interface Shown {
  readonly pattern: string;
  readonly suite: string;
  readonly sentence: string;
}

function shown(pattern: string, suite: string, sentence: string): Shown {
  return { pattern, suite, sentence };
}

/** Every pattern that the relay uses; each suite runs once for every server. */
export const patterns: readonly Shown[] = [
  shown(
    'producer-consumer with a bounded queue',
    'back-pressure on $name',
    'refuses with 503 QUEUE_FULL and Retry-After when full, holds the bound, and never delivers what it refused',
  ),
  shown(
    'background tasks',
    'audit trail of $name',
    'has exactly one entry for each accepted id, and none for what was refused',
  ),
  shown(
    'structured concurrency',
    'shutdown of $name',
    'closes what it opened and exits 1 with one reason when a part cannot be opened',
  ),
  shown(
    'async/sync bridge',
    'digests on $name',
    'refuses with 503 POOL_FULL when saturated, while /livez and POST /events still answer',
  ),
  shown(
    'graceful shutdown',
    'shutdown of $name',
    'turns unready within 100 ms of SIGTERM while it still serves with Connection: close, then drains',
  ),
  shown('retry with back-off', 'probes on $name', 'tries again and counts its attempts'),
  shown(
    'circuit breaker',
    'probes on $name',
    'answers 503 CIRCUIT_OPEN with Retry-After once the circuit of an origin is open',
  ),
  shown(
    'timeouts and deadlines',
    'probes on $name',
    'carries the remaining time on to the subscriber and answers 504 at the deadline',
  ),
  shown(
    'concurrent batch',
    'batches on $name',
    'accepts what is good, names what is not, both in input order',
  ),
  shown(
    'controlled concurrency',
    'clients that leave, on $name',
    'keeps every breaker closed when 50 clients leave',
  ),
  shown('async context managers', 'events on $name', 'says 404 NOT_FOUND for an event it does not know'),
  shown(
    'job queue',
    'no loss on $name',
    'delivers each of 2 000 events accepted before SIGTERM to a subscriber that fails on a schedule',
  ),
  shown(
    'composition',
    'circuits on $name',
    'opens the circuit of a failing origin, spends no attempt while it is open, and delivers after recovery',
  ),
];
