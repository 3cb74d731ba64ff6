/**
 * A job as a message: its payload is the message's data, so that anybody can read it; all else is JSON in one header of plain ASCII.
 * A message without that header was not put in here: its data is taken as the payload of a job of its own.
 */
import type { JobFailure, WireJob } from '@holdfast/core';
import type { MsgHdrs } from '@nats-io/transport-node';

const HEADER = 'Holdfast-Job';
/** What the retries of a job are that somebody else has put in. */
const FOREIGN_RETRIES = 3;

/** What is kept of a job beside its payload. */
interface Meta {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxRetries: number;
  readonly delayMs: number;
  readonly enqueuedAt: number;
  readonly death?: Death | undefined;
}

/** How a job died. */
export interface Death {
  readonly attempts: number;
  readonly diedAt: number;
  readonly error: JobFailure;
}

/** The header of a job. */
export function encodeJob(job: WireJob, death?: Death): string {
  const { id, headers, maxRetries, delayMs, enqueuedAt } = job;
  const meta: Meta = { id, headers, maxRetries, delayMs, enqueuedAt, death };
  return JSON.stringify(meta).replaceAll(/[^\u0020-\u007E]/gu, escape);
}

/** Each of the UTF-16 units of a character, as JSON writes them in ASCII. */
function escape(character: string): string {
  let escaped = '';
  for (let n = 0; n < character.length; n += 1)
    escaped += `\\u${character.charCodeAt(n).toString(16).padStart(4, '0')}`;
  return escaped;
}

/** The headers of a message that carries a job. */
export function writeHeaders(headers: MsgHdrs, encoded: string): MsgHdrs {
  headers.set(HEADER, encoded);
  return headers;
}

/** A stored message. */
export interface Stored {
  readonly seq: number;
  readonly storedAt: number;
  readonly headers: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

const decoder = new TextDecoder();

/** The job that a message carries, and how it died, if it did. */
export function decodeJob({ seq, storedAt, headers, data }: Stored): {
  readonly job: WireJob;
  readonly death: Death | undefined;
} {
  const meta = metaOf(headers?.get(HEADER) ?? '') ?? {
    id: `message-${seq}`,
    headers: {},
    maxRetries: FOREIGN_RETRIES,
    delayMs: 0,
    enqueuedAt: storedAt,
  };
  const { id, maxRetries, delayMs, enqueuedAt, death } = meta;
  const body = decoder.decode(data);
  return {
    job: { id, headers: meta.headers, body, delayMs, priority: 'normal', enqueuedAt, maxRetries },
    death,
  };
}

/** What the header says, if it says what `encodeJob` does. */
function metaOf(header: string): Meta | undefined {
  if (header === '') return undefined;
  try {
    const meta: unknown = JSON.parse(header);
    return isMeta(meta) ? meta : undefined;
  } catch {
    return undefined;
  }
}

function isMeta(value: unknown): value is Meta {
  const { id, headers, maxRetries, delayMs, enqueuedAt, death } = Object(value) as Partial<Meta>;
  return (
    typeof id === 'string' &&
    id !== '' &&
    typeof headers === 'object' &&
    headers !== null &&
    Object.values(headers).every((one) => typeof one === 'string') &&
    isCount(maxRetries) &&
    isCount(delayMs) &&
    Number.isFinite(enqueuedAt) &&
    (death === undefined || isDeath(death))
  );
}

function isDeath(value: unknown): value is Death {
  const { attempts, diedAt, error } = Object(value) as Partial<Death>;
  return (
    isCount(attempts) &&
    Number.isFinite(diedAt) &&
    typeof error?.name === 'string' &&
    typeof error.message === 'string'
  );
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0;
}
