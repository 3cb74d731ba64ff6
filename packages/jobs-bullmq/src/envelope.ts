/**
 * A job as BullMQ keeps it. The body stays the JSON text that it is: parsed and stored as a document, PostgreSQL would change it.
 * What somebody else has added to the queue, without an envelope, is a job too, and its data is the payload.
 */
import { randomUUID } from 'node:crypto';
import type { DeadJob, JobFailure, JobPriority, WireJob } from '@holdfast/core';
import type { BullJob, BullJobOptions } from './bull.ts';
import { encodeId } from './names.ts';

/** What is stored of a job. Texts only: they come back as they went in. */
export interface Envelope {
  /** All of the job but its body, as JSON. */
  readonly holdfast: string;
  /** The payload, as JSON. */
  readonly body: string;
  /** How it died, as JSON; of dead letters only. */
  readonly death?: string | undefined;
}

/** How a job died. */
export interface Death {
  readonly attempts: number;
  readonly error: JobFailure;
}

/** BullMQ runs what has no priority before everything that has one. */
const PRIORITIES: Readonly<Record<JobPriority, number>> = { high: 0, normal: 1, low: 2 };

/** Puts a job into its envelope. */
export function envelop({ body, ...rest }: WireJob): Envelope {
  return { holdfast: JSON.stringify(rest), body };
}

/** How a job is added; its id at BullMQ is new each time, so that the answer tells a new job from a duplicate. */
export function optionsOf({ id, delayMs, priority }: WireJob): BullJobOptions & { readonly jobId: string } {
  return {
    jobId: randomUUID(),
    deduplication: { id: encodeId(id) },
    priority: PRIORITIES[priority],
    delay: delayMs,
    removeOnComplete: true,
    removeOnFail: true,
    stackTraceLimit: 0,
  };
}

/** The job that was stored. */
export function readJob({ id = '', data, opts, timestamp }: BullJob): WireJob {
  if (isEnvelope(data)) {
    const rest = parse(data.holdfast);
    // else it is not ours after all
    if (isRest(rest)) return { ...rest, body: data.body };
  }
  return {
    id,
    body: JSON.stringify(data ?? null),
    headers: {},
    delayMs: opts.delay ?? 0,
    priority: 'normal',
    enqueuedAt: timestamp,
    maxRetries: Math.max(0, (opts.attempts ?? 1) - 1),
  };
}

/** What stands for data that is not JSON, so that the job dies of its payload instead of stopping its queue. */
export function broken(id: string, text: string): Envelope {
  const rest: Omit<WireJob, 'body'> = {
    id,
    headers: {},
    delayMs: 0,
    priority: 'normal',
    enqueuedAt: Date.now(),
    maxRetries: 0,
  };
  return { holdfast: JSON.stringify(rest), body: text };
}

/** A dead letter as it was stored. */
export function readLetter(job: BullJob, cursor: string): DeadJob<string> {
  const { id, body } = readJob(job);
  const { attempts, error } = deathOf(job.data);
  return { id, payload: body, attempts, diedAt: new Date(job.timestamp), error, cursor };
}

function deathOf(data: unknown): Death {
  const unknown: Death = { attempts: 1, error: { name: 'Error', message: 'not known' } };
  const death = isEnvelope(data) && data.death !== undefined ? parse(data.death) : undefined;
  return isDeath(death) ? death : unknown;
}

function isDeath(value: unknown): value is Death {
  const { attempts, error } = Object(value) as Partial<Death>;
  return typeof attempts === 'number' && typeof error?.message === 'string';
}

function isRest(value: unknown): value is Omit<WireJob, 'body'> {
  const rest = Object(value) as Partial<WireJob>;
  return (
    typeof rest.id === 'string' &&
    typeof rest.headers === 'object' &&
    rest.headers !== null &&
    typeof rest.delayMs === 'number' &&
    typeof rest.priority === 'string' &&
    typeof rest.enqueuedAt === 'number' &&
    typeof rest.maxRetries === 'number'
  );
}

/** What the text says; nothing where it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isEnvelope(data: unknown): data is Envelope {
  if (typeof data !== 'object' || data === null) return false;
  const { holdfast, body } = data as Partial<Envelope>;
  return typeof holdfast === 'string' && typeof body === 'string';
}
