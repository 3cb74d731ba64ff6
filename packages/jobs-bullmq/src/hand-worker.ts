/**
 * BullMQ's worker, used by hand: it finds stalled jobs and waits for new ones; leases, slots and outcomes are ours. It never waits
 * long: a wake-up that is lost, in a connection that broke or between two questions, must not cost more than a second.
 */
import type { JobSubscribeOptions } from '@holdfast/core';
import { quiet, type Bull, type BullJob, type BullWorker, type RawJob } from './bull.ts';
import { broken } from './envelope.ts';

/** A worker that is asked for its jobs, one by one. */
export interface HandWorker extends BullWorker {
  /** The job that came with the answer to an outcome. */
  fetched(answer: unknown, token: string): Promise<BullJob | undefined>;
  /** Ends the wait of `getNextJob`, where that can be done. */
  interrupt(): void;
  /** Whether what is under way is answered also after it was closed, by a connection that is not its own. */
  readonly answersClosed: boolean;
}

/** Longest wait, in seconds. */
const MAX_BLOCK_S = 1;
/** A job may crash its worker as often as its own limit says; BullMQ has no say in it. */
const UNLIMITED_STALLS = 1_000_000_000;
/** Shortest time between two looks for stalled jobs, in milliseconds. */
const MIN_STALLED_INTERVAL_MS = 100;

/** Where a worker is. */
export interface WorkerSettings {
  readonly connection: object;
  readonly prefix?: string;
  readonly factory?: unknown;
  readonly answersClosed: boolean;
}

/** Makes a worker of `bullmq`. */
export function makeWorker(
  bullmq: Bull,
  name: string,
  { leaseMs, crashRedeliveryMs }: JobSubscribeOptions,
  { answersClosed, factory, ...settings }: WorkerSettings,
): HandWorker {
  const options = {
    ...settings,
    autorun: false,
    lockDuration: leaseMs,
    maxStalledCount: UNLIMITED_STALLS,
    stalledInterval: Math.max(MIN_STALLED_INTERVAL_MS, crashRedeliveryMs - leaseMs),
    runRetryDelay: 500,
    drainDelay: MAX_BLOCK_S,
    // of jobs that others added; ours bring it along
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  };

  class Worker extends bullmq.Worker implements HandWorker {
    readonly answersClosed: boolean = answersClosed;

    async fetched(answer: unknown, token: string): Promise<BullJob | undefined> {
      const [data, id]: readonly unknown[] = Array.isArray(answer) ? answer : [];
      if (typeof data !== 'object' || data === null) return undefined;
      return this.nextJobFromJobData(data, String(id), token);
    }

    interrupt(): void {
      // version 5 has no backend, and its wait ends by itself
      this.getBackend?.()
        .disconnectBlocking(false)
        .catch(() => {});
    }

    override getBlockTimeout(until: number): number {
      return Math.min(super.getBlockTimeout(until), MAX_BLOCK_S);
    }

    override createJob(raw: RawJob, id: string): BullJob {
      try {
        return super.createJob(raw, id);
      } catch {
        return super.createJob({ ...raw, data: JSON.stringify(broken(id, String(raw.data))) }, id);
      }
    }
  }

  return quiet(new Worker(name, null, options, factory));
}
