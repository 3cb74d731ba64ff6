/** What is used of BullMQ, in the shapes that versions 5 and 6 have in common. */
import type { Envelope } from './envelope.ts';

/** How a job is added. */
export interface BullJobOptions {
  readonly jobId?: string | undefined;
  readonly deduplication?: { readonly id: string };
  readonly priority?: number;
  readonly delay?: number;
  readonly timestamp?: number;
  readonly attempts?: number;
  readonly removeOnComplete?: boolean;
  readonly removeOnFail?: boolean;
  readonly stackTraceLimit?: number;
}

/** A job. */
export interface BullJob {
  id?: string | undefined;
  readonly data: unknown;
  readonly opts: BullJobOptions;
  /** When it was added. */
  readonly timestamp: number;
  readonly attemptsStarted: number;
  readonly progress: unknown;
  moveToCompleted(value: unknown, token: string, fetchNext: boolean): Promise<unknown>;
  moveToFailed(error: Error, token: string, fetchNext: boolean): Promise<unknown>;
  moveToDelayed(timestamp: number, token: string): Promise<void>;
  moveToWait(token: string): Promise<unknown>;
  extendLock(token: string, durationMs: number): Promise<number>;
  updateProgress(progress: object): Promise<void>;
}

/** A queue, as producers see it. */
export interface BullQueue {
  waitUntilReady(): Promise<unknown>;
  add(name: string, data: Envelope, options: BullJobOptions): Promise<BullJob>;
  getJob(id: string): Promise<BullJob | undefined>;
  getJobs(
    types: readonly ('waiting' | 'prioritized' | 'delayed')[],
    start: number,
    end: number,
    oldestFirst: boolean,
  ): Promise<readonly (BullJob | undefined)[]>;
  getJobCounts(): Promise<Readonly<Record<string, number>>>;
  isPaused(): Promise<boolean>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  remove(id: string): Promise<number>;
  close(): Promise<void>;
}

/** What adds several jobs at once, all or none. */
export interface BullFlows {
  addBulk(flows: readonly BullFlow[]): Promise<readonly { readonly job: BullJob }[]>;
  close(): Promise<void>;
}

/** One job to add, and where. */
export interface BullFlow {
  readonly name: string;
  readonly queueName: string;
  readonly prefix?: string;
  readonly data: Envelope;
  readonly opts: BullJobOptions;
}

/** A worker, with what a class of ours may replace. */
export interface BullWorker {
  waitUntilReady(): Promise<unknown>;
  startStalledCheckTimer(): Promise<void>;
  getNextJob(token: string): Promise<BullJob | undefined>;
  getBlockTimeout(until: number): number;
  createJob(data: RawJob, id: string): BullJob;
  nextJobFromJobData(data: RawJob, id: string, token: string): Promise<BullJob | undefined>;
  close(force: boolean): Promise<void>;
  /** From version 6 on. */
  getBackend?(): BullBackend;
}

/** A job as it came from the engine. */
export interface RawJob {
  readonly data?: unknown;
}

/** Version 6's access to an engine. */
export interface BullBackend {
  /** On PostgreSQL: where it gets the client from that it listens with. */
  readonly connection?: { pgModule: object | undefined };
  waitUntilReady(): Promise<void>;
  forQueue(name: string): BullBackend;
  disconnectBlocking(wait: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Where a queue or a worker is: at a connection, or at a backend that a factory makes. */
type Place = readonly [options: object, factory?: unknown];

/** Everything that tells of errors by an event tells the same by the promise of what was asked. */
export interface Listenable {
  on(event: 'error', listener: () => void): unknown;
}

/** The module. */
export interface Bull {
  readonly Queue: new (name: string, ...place: Place) => BullQueue & Listenable;
  readonly FlowProducer: new (...place: Place) => BullFlows & Listenable;
  readonly Worker: new (name: string, processor: null, ...place: Place) => BullWorker & Listenable;
  readonly UnrecoverableError: new (message: string) => Error;
  /** These three are absent from version 5. */
  readonly createPostgresBackend?: (name: string, options: object, more?: object) => BullBackend & Listenable;
  readonly runMigrations?: (client: object, schema: string, options: object) => Promise<number>;
  readonly UnsupportedPostgresVersionError?: new (...args: never) => Error;
}

/** Loads it. The two versions agree on what is described here, and on little else in their types. */
export type LoadBull = () => Promise<unknown>;

/** The module, in the shape described here. */
export async function loadBull(load: LoadBull): Promise<Bull> {
  return (await load()) as Bull;
}

/** Errors come with the promises of what was asked. */
export function quiet<T extends Listenable>(one: T): T {
  one.on('error', () => {});
  return one;
}
