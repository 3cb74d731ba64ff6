/** How a job queue is made, and what its options come to. */
import { checkInteger, checkName, checkOneOf, checkOptions } from '../options/checks.ts';
import { backoff, type Backoff, type BackoffOptions } from '../resilience/backoff.ts';
import type { JobDriver, JobEngine } from './engine.ts';
import { connectEngine } from './find-engine.ts';

/** How a job queue is made. */
export interface JobQueueOptions {
  /** Names the queue at the engine, in events, errors and statistics. */
  readonly name: string;
  /** Where its engine is: `memory:` is built in. */
  readonly url: string;
  /** Engines for other schemes, from the `jobs-*` packages. */
  readonly engines?: readonly JobEngine[] | undefined;
  /**
   * How many jobs may be accepted and not finished at once: waiting, delayed and active.
   *
   * @default Infinity, and 10_000 where only memory holds them
   */
  readonly maxDepth?: number | undefined;
  /** What happens to jobs for which there is no room: wait in line, or reject at once. @default 'wait' */
  readonly overflow?: 'wait' | 'reject' | undefined;
  /** How often a job is started, and how long it waits in between. @default 4 starts, as for `retry` */
  readonly retry?: BackoffOptions | undefined;
  /** Largest encoded payload, in bytes; an engine that takes less has its way. @default 1_048_576 */
  readonly maxPayloadBytes?: number | undefined;
  /** How many jobs may be waiting for room, or for the engine's answer, at once. @default 10_000 */
  readonly maxPending?: number | undefined;
}

/** Options with their defaults. */
export interface JobSettings {
  readonly name: string;
  readonly driver: JobDriver;
  readonly maxDepth: number;
  readonly overflow: 'wait' | 'reject';
  readonly maxRetries: number;
  readonly maxPayloadBytes: number;
  readonly maxPending: number;
  backoffMs(failures: number): number;
}

const KEYS = ['name', 'url', 'engines', 'maxDepth', 'overflow', 'retry', 'maxPayloadBytes', 'maxPending'];

/**
 * Checks options and connects the engine.
 *
 * @throws TypeError, RangeError
 */
export function resolveOptions(options: JobQueueOptions): JobSettings {
  checkOptions('options', options, KEYS);
  const {
    url,
    engines,
    overflow = 'wait',
    retry = {},
    maxPayloadBytes = 1_048_576,
    maxPending = 10_000,
  } = options;
  const name = checkName('name', options.name);
  const backoffMs = jobBackoff(retry);
  const driver = connectEngine(url, engines);
  const { maxDepth = driver.capabilities.durability === 'none' ? 10_000 : Infinity } = options;
  return {
    name,
    driver,
    maxDepth: checkInteger('maxDepth', maxDepth, 1, true),
    overflow: checkOneOf('overflow', overflow, ['wait', 'reject']),
    maxRetries: checkInteger('retry.maxRetries', retry.maxRetries ?? 3, 0, true),
    maxPayloadBytes: checkInteger('maxPayloadBytes', maxPayloadBytes, 1, true),
    maxPending: checkInteger('maxPending', maxPending, 1, true),
    backoffMs,
  };
}

/** The attempts of one job are spread over processes, so a back-off that grows from its last value is played from the start. */
function jobBackoff(options: BackoffOptions): Backoff {
  const shared = backoff(options);
  if (options.jitter !== 'decorrelated') return shared;
  return (failures) => {
    const own = backoff(options);
    let delayMs = 0;
    for (let n = 1; n <= Math.min(failures, LONGEST_PLAY); n += 1) delayMs = own(n);
    return delayMs;
  };
}

/** After that many failures the delay is as good as at its cap. */
const LONGEST_PLAY = 64;
