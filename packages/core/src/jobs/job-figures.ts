/** What a job queue says of itself: totals and delays of this process, beside the numbers of its engine. */
import type { ComponentHealth, Stats } from '../component.ts';
import { DelayHistogram } from '../queue/delay-histogram.ts';
import { now } from '../runtime.ts';
import type { Settled } from './settle.ts';

/** The figures of one queue in this process. */
export class JobFigures {
  readonly #delays: DelayHistogram = new DelayHistogram();
  readonly #settled: Record<Settled, number> = { ack: 0, retry: 0, dead: 0, release: 0, lost: 0 };

  /** A job was started for the first time. */
  started(queueDelayMs: number): void {
    this.#delays.record(queueDelayMs, now());
  }

  /** A delivery was settled. */
  told(settled: Settled): void {
    this.#settled[settled] += 1;
  }

  /** The figures, beside what the engine counts. What is not known is absent. */
  stats(
    counts: Stats,
    more: { readonly capacity: number; readonly pending: number; readonly inFlight: number },
  ): Stats {
    return {
      ...counts,
      depth: depthOf(counts),
      ...more,
      delayP50Ms: this.#delays.quantileMs(0.5),
      delayP99Ms: this.#delays.quantileMs(0.99),
      completed: this.#settled.ack,
      retried: this.#settled.retry,
      released: this.#settled.release,
      died: this.#settled.dead,
      leaseLost: this.#settled.lost,
    };
  }
}

/** The health of a queue whose engine has answered. */
export function healthOf(counts: Stats, maxDepth: number): ComponentHealth {
  const { paused } = counts;
  if (paused === true) return { status: 'degraded', detail: 'paused' };
  const depth = depthOf(counts) ?? 0;
  return depth >= maxDepth ? { status: 'degraded', detail: `full (${depth} jobs)` } : { status: 'up' };
}

/** As the engine knows it, or from its parts. */
function depthOf({ depth, waiting, active, delayed }: Stats): number | undefined {
  if (typeof depth === 'number') return depth;
  const known = typeof waiting === 'number' && typeof active === 'number' && typeof delayed === 'number';
  return known ? waiting + active + delayed : undefined;
}
