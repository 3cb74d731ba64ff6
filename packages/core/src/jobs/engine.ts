/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What an engine is to a job queue: the interface that a `jobs-*` package, or anybody else, implements. A driver is a thin layer
 * that hands leases, fencing and storage to its engine; encoding, admission, back-off, attempts and time-outs are done once, by
 * `JobQueue`, for all of them. What an engine cannot do it declares in its capabilities, and never emulates in silence.
 *
 * The rules a driver keeps:
 *
 * - `connect` is cheap and synchronous; the client library is loaded, and the engine reached, in `open`. `open` may be called
 *   again after it failed.
 * - `depth` is everything accepted and not finished: waiting, delayed and active. Dead letters are finished.
 * - A delivery is settled exactly once, by `ack`, `retry`, `dead` or `release`. Until then it takes one of the `concurrency` slots
 *   and its lease is renewed. On a lost lease all four do nothing but free the slot.
 * - A subscription survives the loss of its connection. Once its disposal has resolved, nothing more is delivered; what was
 *   delivered before may still be settled, until `close`.
 */
import type { Stats } from '../component.ts';
import type { CallOptions } from '../signal/work-context.ts';

/** Which jobs go first; within one priority the order is that of becoming ready. */
export type JobPriority = 'high' | 'normal' | 'low';

/** A job as an engine stores it: encoded, with every default resolved. */
export interface WireJob {
  /** Deduplication id; any string that is not empty. Engines with rules of their own for ids map it. */
  readonly id: string;
  /** The payload as JSON. */
  readonly body: string;
  /** Trace context and the like. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long the job must not start, from its acceptance, in milliseconds; a whole number. */
  readonly delayMs: number;
  /** Which jobs go first. */
  readonly priority: JobPriority;
  /** When it was handed in, in milliseconds since the epoch, on the producer's clock. */
  readonly enqueuedAt: number;
  /** Starts allowed after the first one; 2 147 483 647 stands for no limit. */
  readonly maxRetries: number;
}

/** What became of a job handed in. */
export interface EnqueueResult {
  /** `duplicate`: its id is present already. `accepted`: the engine cannot tell a new one from a duplicate. */
  readonly status: 'enqueued' | 'duplicate' | 'accepted';
  /** The job's id, made where none was given. */
  readonly id: string;
}

/** What is kept of the error that a job failed with. */
export interface JobFailure {
  readonly name: string;
  readonly message: string;
}

/** A job that will not be tried again. */
export interface DeadJob<T> {
  readonly id: string;
  readonly payload: T;
  /** How often it was started. */
  readonly attempts: number;
  readonly diedAt: Date;
  readonly error: JobFailure;
  /** Give it to `list` to continue after this job; opaque, and good even when the job is gone by then. */
  readonly cursor: string;
}

/** Which dead jobs to list. */
export interface ListDeadOptions {
  /** How many at most, from 1 to 1 000. @default 100 */
  readonly limit?: number | undefined;
  /** `cursor` of the last job seen. */
  readonly cursor?: string | undefined;
}

/** One start of one job. */
export interface JobDelivery {
  readonly job: WireJob;
  /** Which start this is, from 1, crashes included and starts given back by `release` not. Kept by the engine, never by a process. */
  readonly attempt: number;
  /** Whether the job was ever delivered before, given back or not. @default attempt > 1 */
  readonly redelivered?: boolean | undefined;
  /** Aborts, with a `LeaseLostError`, once another worker may hold the job. Absent where a lease cannot be lost. */
  readonly signal?: AbortSignal | undefined;
  /** Done: the job is removed. `lease-lost` means that this worker's outcome was refused. */
  ack(): Promise<'acked' | 'lease-lost'>;
  /** Failed: it starts again, not before `delayMs` from now, a whole number, behind what is ready by then. */
  retry(delayMs: number, error: JobFailure): Promise<void>;
  /** Failed for good: it becomes a dead letter, with `min(attempt, maxRetries + 1)` as its attempts. */
  dead(error: JobFailure): Promise<void>;
  /** Given back, as if not started: at its old place, or, with `delayMs`, like a retry. */
  release(delayMs?: number): Promise<void>;
}

/** How a driver is to consume. */
export interface JobSubscribeOptions {
  /** How many deliveries may be unsettled at once. */
  readonly concurrency: number;
  /** How long a lease lasts without renewal, in milliseconds; renewed at a third of it. */
  readonly leaseMs: number;
  /** Within what time a crashed worker's job must be running again, in milliseconds; at least `leaseMs`. */
  readonly crashRedeliveryMs: number;
}

/** How a driver is to accept. */
export interface JobAdmission extends CallOptions {
  /** Bound of the depth, or `Infinity`. A driver with `backpressure: 'sampled'` ignores it; the others refuse with QueueFullError. */
  readonly maxDepth: number;
}

/** What an engine does by itself, and how. Frozen knowledge: the conformance suite runs one half of a case or the other by it. */
export interface JobCapabilities {
  /** Who shares a queue: this object's process, this host, or everybody on the network. */
  readonly reach: 'process' | 'host' | 'network';
  /** What happens to an accepted job past a crash. */
  readonly delivery: 'at-most-once' | 'at-least-once';
  /** What accepted jobs survive. With `none`, consumers go on through a shutdown until the queue is empty. */
  readonly durability: 'none' | 'process-crash' | 'power-loss' | 'server-config';
  /** How a crashed worker is noticed. */
  readonly crashDetection: 'none' | 'lease' | 'connection';
  /** Whose clock ends a lease. */
  readonly leaseClock: 'none' | 'server' | 'worker';
  /** Whose clock ends a delay. */
  readonly delayClock: 'server' | 'producer' | 'host';
  readonly delay: 'native' | 'emulated' | 'none';
  readonly priority: 'native' | 'none';
  /** For how long an id keeps a second job out, and whether that is told. */
  readonly dedupe: {
    readonly scope: 'none' | 'while-present' | 'window';
    readonly windowMs?: number | undefined;
    readonly reported: boolean;
  };
  readonly order: 'fifo-single-consumer' | 'best-effort';
  /** How `maxDepth` is kept: by the engine to the job, by samples of the depth, or by a limit of the engine's own. */
  readonly backpressure: 'exact' | 'sampled' | 'native';
  /** Whether `JobQueue.pause` exists, or only that of a loop. */
  readonly pause: 'queue' | 'consumer';
  /** Whether `enqueueMany` is accepted as a whole or not at all. */
  readonly atomicBatch: boolean;
  /** Which numbers `counts` gives. */
  readonly counts: readonly ('waiting' | 'active' | 'delayed' | 'dead')[];
  /** Largest body, in bytes. May be refined by `open`. */
  readonly maxPayloadBytes: number;
  /** Whether a job can be enqueued within the user's own transaction. */
  readonly transactionalEnqueue: boolean;
}

/** Dead letters as an engine keeps them. */
export interface DeadLetterStore {
  /** Oldest death first; payloads are still encoded. */
  list(
    queue: string,
    options: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<readonly DeadJob<string>[]>;
  /** Makes the job wait again, as new; false where it is not there, or its id is present once more. Refuses like `enqueue`. */
  requeue(queue: string, id: string, options: JobAdmission): Promise<boolean>;
  /** Forgets the job; false where it is not there. */
  remove(queue: string, id: string): Promise<boolean>;
}

/** One engine, as one queue uses it. */
export interface JobDriver {
  readonly capabilities: JobCapabilities;
  /** Loads the client, reaches the engine and checks that its configuration loses nothing. */
  open(options: CallOptions): Promise<void>;
  /** Accepts all `jobs`, with one result for each, in order. Resolves once they are as durable as the capabilities say. */
  enqueue(queue: string, jobs: readonly WireJob[], options: JobAdmission): Promise<readonly EnqueueResult[]>;
  /** Delivers jobs until the subscription is disposed. `deliver` never throws. */
  consume(
    queue: string,
    options: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ): Promise<AsyncDisposable>;
  /**
   * The numbers that the capabilities name, `oldestAgeMs` of what waits, and `paused`; a number not known is absent, never 0. An
   * engine that knows the depth, but not its parts, gives `depth`.
   */
  counts(queue: string): Promise<Stats>;
  /** Whether anybody's consumers get new jobs; survives this process where the queue does. */
  setPaused?(queue: string, paused: boolean): Promise<void>;
  /** Names of the queues the engine knows, for whoever looks after them; absent where it cannot tell. */
  queues?(): Promise<readonly string[]>;
  /** The depth at this instant: for engines of `durability: 'none'`, so that a drain knows when they are empty. */
  depth?(queue: string): number;
  readonly dead: DeadLetterStore;
  /** Lets go of the engine. Leases still held run out, or are given back where nothing runs under them. */
  close(): Promise<void>;
}

/** What a `jobs-*` package exports. */
export interface JobEngine {
  /** The URL schemes it serves, as `URL.protocol` has them: `redis:`. */
  readonly schemes: readonly string[];
  /** A driver for the engine at `url`; cheap, and without a connection. */
  connect(url: URL): JobDriver;
}
