/** One request to a subscriber. An answer that says "not now" is an error, with the time that it asks for; any other is an answer. */
import { HttpStatusError } from '@holdfast/core';
import { retryAfterMs, verdictOf } from './verdict.ts';

/** What is sent, and for how long its answer is waited for. */
export interface Posting {
  readonly id: string;
  /** JSON text. */
  readonly payload: string;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Posts to `url`. A redirect is an answer and is not followed.
 *
 * @throws HttpStatusError for a status that may be another one later; TypeError where there was no answer.
 */
export async function post(url: string, { id, payload, waitMs, signal }: Posting): Promise<Response> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    signal,
    headers: {
      'content-type': 'application/json',
      'idempotency-key': id,
      'x-request-timeout-ms': String(Math.max(1, Math.floor(waitMs))),
    },
    body: payload,
  });
  if (verdictOf(response.status) !== 'again') return response;
  void discard(response);
  throw statusError(url, response);
}

/** The error that a status is. */
export function statusError(url: string, { status, headers }: Response): HttpStatusError {
  const { origin, pathname } = new URL(url);
  return new HttpStatusError(status, origin + pathname, {
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
  });
}

const MAX_DISCARDED_BYTES = 65_536;
const MAX_DISCARD_MS = 250;

/** Reads a small answer to its end, so that the connection can be used again; lets go of a large or slow one. Never rejects. */
export async function discard({ body }: Response): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), MAX_DISCARD_MS);
  try {
    for (let size = 0; size <= MAX_DISCARDED_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return;
      size += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // the connection broke: there is nothing left to read
  } finally {
    clearTimeout(timer);
  }
}
