/** What a pool has done so far: counts, and how long calls waited and ran. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Stats } from '@holdfast/core';

/** Durations in milliseconds; kept in microseconds, up to an hour, two digits exact. */
class Durations {
  readonly #histogram: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: 3_600_000_000,
    figures: 2,
  });

  record(durationMs: number): void {
    this.#histogram.record(Math.max(1, Math.round(durationMs * 1_000)));
  }

  percentileMs(percentile: number): number {
    return this.#histogram.count === 0 ? 0 : this.#histogram.percentile(percentile) / 1_000;
  }

  get meanMs(): number {
    return this.#histogram.count === 0 ? 0 : this.#histogram.mean / 1_000;
  }
}

/** The figures of one pool. */
export class PoolMetrics {
  /** Calls whose function returned. */
  completed = 0;
  /** Calls whose function threw. */
  failed = 0;
  /** Calls refused because the pool was full. */
  rejected = 0;
  /** Calls given up while they ran: out of time, aborted or cancelled. */
  abandoned = 0;
  /** Threads that died under a call. */
  crashed = 0;
  readonly waited: Durations = new Durations();
  readonly ran: Durations = new Durations();

  /** When a place may be free, judged by how long calls have run so far; `undefined` before the first. */
  retryAfterMs(queued: number, maxThreads: number): number | undefined {
    const { meanMs } = this.ran;
    return meanMs === 0 ? undefined : Math.min(30_000, Math.ceil((meanMs * (queued + 1)) / maxThreads));
  }

  stats(): Stats {
    const { completed, failed, rejected, abandoned, crashed } = this;
    return {
      completed,
      failed,
      rejected,
      abandoned,
      crashed,
      waitP50Ms: this.waited.percentileMs(50),
      waitP99Ms: this.waited.percentileMs(99),
      runP50Ms: this.ran.percentileMs(50),
      runP99Ms: this.ran.percentileMs(99),
    };
  }
}
