/** What producers post: the members of an event and of a digest order, checked one by one. A member nobody knows is a mistake. */
import { randomUUID } from 'node:crypto';
import type { OriginFilter } from './origins.ts';
import { RequestError } from './request-error.ts';

/** An event as it was posted. */
export interface PostedEvent {
  readonly id: string;
  readonly url: string;
  /** JSON text of the payload, as the subscriber will get it. */
  readonly payload: string;
}

/** A text to digest; N of scrypt is 2 to the power of `cost`. */
export interface DigestOrder {
  readonly text: string;
  readonly cost: number;
}

const MAX_BATCH = 1_000;
const MAX_URL_LENGTH = 2_048;

/** Reads one event; makes its id where it has none. @throws RequestError */
export function readEvent(value: unknown, allowed: OriginFilter): PostedEvent {
  const members = readMembers('the event', value, ['id', 'url', 'payload']);
  if (!Object.hasOwn(members, 'payload')) throw bad('payload is required; it may be any JSON value');
  return {
    id: Object.hasOwn(members, 'id') ? readId(members['id']) : randomUUID(),
    url: readUrl(members['url'], allowed).text,
    payload: encode(members['payload']),
  };
}

/** Reads the events of a batch, each still unchecked. @throws RequestError */
export function readBatch(value: unknown): readonly unknown[] {
  const { events } = readMembers('the batch', value, ['events']);
  if (!Array.isArray(events) || events.length < 1 || events.length > MAX_BATCH)
    throw bad(`events must be an array of 1 to ${MAX_BATCH} events`);
  return events;
}

/** Reads a digest order. @throws RequestError */
export function readDigestOrder(value: unknown): DigestOrder {
  const { text, cost = 14 } = readMembers('the body', value, ['text', 'cost']);
  if (typeof text !== 'string') throw bad('text must be a string');
  if (typeof cost !== 'number' || !Number.isInteger(cost) || cost < 10 || cost > 16)
    throw bad('cost must be a whole number from 10 to 16');
  return { text, cost };
}

/** Reads the URL of a subscriber, both as it was written and parsed. @throws RequestError */
export function readUrl(value: unknown, allowed: OriginFilter): { readonly text: string; readonly url: URL } {
  if (typeof value !== 'string') throw bad('url must be a string');
  if (value.length > MAX_URL_LENGTH) throw bad(`url must have at most ${MAX_URL_LENGTH} characters`);
  // what the URL parser would trim, drop or replace is refused, so that what is stored is what is called
  if (!/^https?:\/\//i.test(value) || /[\p{Cc}\p{Surrogate}]/u.test(value) || !URL.canParse(value))
    throw bad('url must be an absolute http or https URL');
  const url = new URL(value);
  if (url.username !== '' || url.password !== '') throw bad('url must not contain credentials');
  if (!allowed(url)) throw bad(`url: ${url.origin} is not among the allowed origins`);
  return { text: value, url };
}

function readId(value: unknown): string {
  if (typeof value === 'string' && /^[\w.~-]{1,128}$/.test(value)) return value;
  throw bad('id must be 1 to 128 of A-Z a-z 0-9 . _ ~ -');
}

function readMembers(
  what: string,
  value: unknown,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(`${what} must be a JSON object`);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw bad(
      `${what} has an unknown member ${JSON.stringify(unknown.slice(0, 64))} (known: ${known.join(', ')})`,
    );
  return value as Readonly<Record<string, unknown>>; // an object, and what its members are is asked of each
}

function encode(payload: unknown): string {
  try {
    return JSON.stringify(payload);
  } catch (error) {
    // the one way in which writing parsed JSON fails
    if (error instanceof RangeError) throw bad('payload is nested too deeply');
    throw error;
  }
}

function bad(message: string): RequestError {
  return new RequestError('BAD_REQUEST', message);
}
