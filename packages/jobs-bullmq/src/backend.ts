/** One engine behind BullMQ, connected: what Redis and PostgreSQL differ in, and nothing else. */
import type { JobSubscribeOptions } from '@holdfast/core';
import type { BullJobOptions, BullQueue } from './bull.ts';
import type { Envelope } from './envelope.ts';
import type { HandWorker } from './hand-worker.ts';

/** One job of several. */
export interface BullEntry {
  readonly data: Envelope;
  readonly options: BullJobOptions & { readonly jobId: string };
}

/** A connection to the engine. */
export interface Backend {
  /** An error with which a failure cannot be retried. */
  readonly final: new (message: string) => Error;
  /** A queue on the connection of producers; to be closed before the backend is. */
  queue(name: string): BullQueue;
  /** Adds all or none; gives the ids of the jobs that are there now. */
  addAll(name: string, entries: readonly BullEntry[]): Promise<readonly (string | undefined)[]>;
  /** A worker on connections that wait for an engine that is away. */
  worker(name: string, options: JobSubscribeOptions): HandWorker;
  /** Lets go of the connections. */
  close(): Promise<void>;
}
