/** A queue in figures. */
import type { Stats } from '../component.ts';
import { now } from '../runtime.ts';
import type { Channel } from './channel.ts';
import type { Loops } from './loops.ts';

/** Figures of a queue. */
export interface QueueStats extends Stats {
  /** How many items are inside. */
  readonly depth: number;
  readonly capacity: number;
  /** The greatest depth there was. */
  readonly peak: number;
  /** Age of the oldest item, in milliseconds; 0 where there is none. */
  readonly oldestAgeMs: number;
  /** Median of the delay of items taken in the last one to two minutes; `undefined` where there were none. */
  readonly delayP50Ms: number | undefined;
  /** The delay that 99 of 100 of them did not exceed. */
  readonly delayP99Ms: number | undefined;
  readonly waitingPutters: number;
  /** How many wait to take, consumers with a free slot among them. */
  readonly waitingTakers: number;
  /** How many items consumers have in hand. */
  readonly inFlight: number;
  /** How many were dropped since the queue was made, expired ones among them. */
  readonly dropped: number;
}

/** The figures of this moment. */
export function queueStats<T>(channel: Channel<T>, loops: Loops, dropped: number): QueueStats {
  const { backlog, capacity, waitingPutters, waitingTakers } = channel;
  return {
    depth: backlog.size,
    capacity,
    peak: backlog.peak,
    oldestAgeMs: backlog.oldestAgeMs(now()),
    delayP50Ms: backlog.delays.quantileMs(0.5),
    delayP99Ms: backlog.delays.quantileMs(0.99),
    waitingPutters,
    waitingTakers,
    inFlight: loops.inFlight,
    dropped,
  };
}
