/** What an answer or an error of a subscriber means for an event, and how it is told to people. */
import { isHoldfastError } from '@holdfast/core';

/** 2xx is delivered; what says "not now" is tried again; every other answer, a redirect included, is final. */
export type Verdict = 'delivered' | 'again' | 'failed';

/** The verdict on a status. */
export function verdictOf(status: number): Verdict {
  if (status >= 200 && status < 300) return 'delivered';
  return status === 408 || status === 425 || status === 429 || status >= 500 ? 'again' : 'failed';
}

/** Whether an error says that the subscriber is in trouble, which is what its breaker counts. A "not now" below 500 is an answer. */
export function isSubscribersFault(error: unknown): boolean {
  if (isHoldfastError(error, 'HTTP_STATUS')) return error.status >= 500;
  return isHoldfastError(error, 'TIMEOUT') || error instanceof TypeError; // the latter is what fetch rejects with
}

/** Reads a Retry-After header, seconds or a date, as milliseconds from now; `undefined` where it is neither. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000;
  const at = /[a-z]/i.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** The error of a failed attempt in a few words. */
export function describe(error: unknown): string {
  if (isHoldfastError(error, 'HTTP_STATUS')) return `HTTP ${error.status}`;
  if (isHoldfastError(error, 'TIMEOUT')) return `no answer within ${Math.round(error.timeoutMs)} ms`;
  if (!(error instanceof Error)) return String(error);
  // what fetch rejects with says only that it failed; its cause says why
  return error.cause instanceof Error && !isHoldfastError(error)
    ? describe(error.cause)
    : error.message || error.name;
}
