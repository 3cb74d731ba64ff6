/** A job on its way: what an outbox row holds, how it is made from what the caller says, and what the queue is told. */
import type { EnqueueResult, JobInput, JobOptions, JobPriority } from '@holdfast/core';
import {
  UNLIMITED_RETRIES,
  checkBetween,
  checkInteger,
  checkOneOf,
  checkOptions,
  encodePayload,
  invalidType,
  jobBehind,
  maxRetriesOf,
} from '@holdfast/core/internal';
import { checkKey } from '../check-key.ts';

/** What is written into the table. */
export interface NewRow {
  readonly id: string;
  /** The payload as JSON. */
  readonly body: string;
  /** As JSON. */
  readonly headers: string;
  readonly delayMs: number;
  readonly priority: JobPriority;
  /** `null`: as the queue says. */
  readonly maxRetries: number | null;
}

/** What is read from it. */
export interface OutboxRow {
  readonly seq: string;
  readonly id: string;
  readonly body: string;
  readonly headers: string;
  readonly delayMs: number;
  readonly priority: string;
  readonly maxRetries: number | null;
  /** How long it has been there, in milliseconds, by the clock that wrote it. */
  readonly ageMs: number;
}

/** Ten years. */
const MAX_DELAY_MS = 315_576_000_000;

/**
 * Checks and encodes one job.
 *
 * @throws TypeError, RangeError, PayloadInvalidError, PayloadTooLargeError
 */
export function toRow(payload: unknown, options: JobOptions, maxPayloadBytes: number, root?: string): NewRow {
  checkOptions('options', options);
  const { delayMs = 0, priority = 'normal', headers = {} } = options;
  // a job's own context may be passed on: what it says of that job is not meant for this one
  const behind = jobBehind(options);
  const id = options.id === behind?.id ? undefined : options.id;
  const maxRetries = options.maxRetries === behind?.maxRetries ? undefined : options.maxRetries;
  return {
    id: id === undefined ? globalThis.crypto.randomUUID() : checkKey('id', id),
    body: encodePayload(payload, maxPayloadBytes, root),
    headers: JSON.stringify(checkHeaders(headers)),
    delayMs: Math.ceil(checkBetween('delayMs', delayMs, 0, MAX_DELAY_MS)),
    priority: checkOneOf('priority', priority, ['high', 'normal', 'low']),
    maxRetries:
      maxRetries === undefined
        ? null
        : Math.min(checkInteger('maxRetries', maxRetries, 0, true), UNLIMITED_RETRIES),
  };
}

/**
 * Checks and encodes several jobs, before any is written.
 *
 * @throws what `toRow` throws
 */
export function toRows(jobs: readonly JobInput<unknown>[], maxPayloadBytes: number): readonly NewRow[] {
  if (!Array.isArray(jobs)) throw invalidType('jobs', 'an array', jobs);
  return jobs.map((job: JobInput<unknown>, index) => {
    checkOptions(`jobs[${index}]`, job);
    return toRow(job.payload, job, maxPayloadBytes, `jobs[${index}].payload`);
  });
}

/** What a database gave: the columns have the same names in each, and numbers may come as text or bigint. */
export function rowOf(row: Readonly<Record<string, unknown>>, ageMs: number): OutboxRow {
  const maxRetries = row['max_retries'];
  return {
    seq: String(row['seq']),
    id: String(row['id']),
    body: String(row['body']),
    headers: String(row['headers']),
    delayMs: Number(row['delay_ms']),
    priority: String(row['priority']),
    maxRetries: maxRetries === null ? null : Number(maxRetries),
    ageMs: Math.max(0, ageMs),
  };
}

/** What became of rows, of which those of `added` ids are new. */
export function resultsOf(rows: readonly NewRow[], added: readonly string[]): readonly EnqueueResult[] {
  const fresh = new Set(added);
  // the second one of an id in one call is a duplicate of the first
  return rows.map(({ id }) => ({ status: fresh.delete(id) ? 'enqueued' : 'duplicate', id }));
}

/**
 * What the queue is told of a row.
 *
 * @throws SyntaxError where somebody else wrote what is no JSON.
 */
export function toInput<T>(row: OutboxRow): JobInput<T> {
  const { id, body, headers, delayMs, priority, maxRetries, ageMs } = row;
  return {
    id,
    // what was put in as T; the queue checks what others may have written
    payload: JSON.parse(body) as T,
    headers: JSON.parse(headers) as Record<string, string>,
    delayMs: Math.max(0, delayMs - ageMs),
    priority: priority as JobPriority,
    maxRetries: maxRetries === null ? undefined : maxRetriesOf(maxRetries),
  };
}

function checkHeaders(headers: unknown): object {
  checkOptions('headers', headers);
  for (const [key, value] of Object.entries(headers as object))
    if (typeof value !== 'string') throw invalidType(`headers.${key}`, 'a string', value);
  return headers as object;
}
