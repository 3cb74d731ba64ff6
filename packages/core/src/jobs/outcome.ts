/**
 * What becomes of a job after one start. A return is an ack; `noRetry` and whatever else is not retryable is a dead letter at
 * once; our own refusals gave nothing a try, so they give the job back; everything else spends the attempt.
 */
import { isRefusal } from '../errors/brand.ts';
import type { JobFailure } from './engine.ts';

/** The one settlement of a delivery. Delays are whole milliseconds: not every engine can store another. */
export type JobOutcome =
  | { readonly kind: 'ack' }
  | { readonly kind: 'retry'; readonly delayMs: number; readonly error: unknown }
  | { readonly kind: 'dead'; readonly error: unknown }
  | { readonly kind: 'release'; readonly delayMs: number | undefined; readonly error: unknown };

/** `maxRetries` on the wire that stands for no limit. */
export const UNLIMITED_RETRIES: number = 2 ** 31 - 1;

/** The wire's `maxRetries` as the user gave it. */
export function maxRetriesOf(wire: number): number {
  return wire >= UNLIMITED_RETRIES ? Infinity : wire;
}

/** What the error of a start that nobody cut short means, given the back-off of that many failures. */
export function outcomeOf(
  error: unknown,
  attempt: number,
  maxRetries: number,
  backoffMs: (failures: number) => number,
): JobOutcome {
  if (isRefusal(error)) {
    // a refusal that says 0, or a jitter that says 0, must not make a busy loop of it
    const delayMs = Math.max(1, hintOf(error) ?? Math.ceil(backoffMs(attempt)));
    return { kind: 'release', delayMs, error };
  }
  if (attempt > maxRetries || isFinal(error)) return { kind: 'dead', error };
  return { kind: 'retry', delayMs: Math.max(Math.ceil(backoffMs(attempt)), hintOf(error) ?? 0), error };
}

/** What an engine keeps of an error. */
export function failureOf(error: unknown): JobFailure {
  if (error instanceof Error) return { name: error.name, message: error.message.slice(0, MAX_MESSAGE) };
  try {
    return { name: 'Error', message: String(error).slice(0, MAX_MESSAGE) };
  } catch {
    return { name: 'Error', message: 'a value that cannot be printed' };
  }
}

const MAX_MESSAGE = 2_000;

/** Whether trying again cannot help. */
export function isFinal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, 'retryable') === false;
}

/** The error's own wish for a delay; what is no delay is no wish. */
function hintOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const hint: unknown = Reflect.get(error, 'retryAfterMs');
  return typeof hint === 'number' && Number.isFinite(hint) ? Math.max(0, Math.ceil(hint)) : undefined;
}
