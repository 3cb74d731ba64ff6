/**
 * Asks a subscriber whether it can be reached, through the same breaker and bulkhead as deliveries to it, with retries of its own.
 * What the subscriber answers, or that it does not, is a result; an open circuit, a full bulkhead and the caller's deadline are
 * errors.
 */
import { Policy, isHoldfastError, policyFetch, type WorkContext } from '@holdfast/core';
import { discard } from './post.ts';

/** What a probe found. */
export interface ProbeResult {
  readonly url: string;
  readonly reachable: boolean;
  /** What it answered, where it did. */
  readonly status?: number;
  /** Requests made. */
  readonly attempts: number;
  readonly durationMs: number;
}

/** Asks `url` with GET. `subscriber` is the policy of its origin. */
export async function probe(
  url: string,
  subscriber: Policy,
  attemptTimeoutMs: number,
  { signal, deadline }: WorkContext,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  let attempts = 1;
  const policy = new Policy({
    name: subscriber.name,
    timeoutMs: deadline && Math.max(1, deadline.remainingMs),
    attemptTimeoutMs,
    retry: { retryIf: isUnreachable, onRetry: () => void (attempts += 1) },
    breaker: subscriber.breaker,
    bulkhead: subscriber.bulkhead,
  });
  const result = (found: { readonly reachable: boolean; readonly status?: number }): ProbeResult => ({
    url,
    ...found,
    attempts,
    durationMs: Math.round(performance.now() - startedAt),
  });
  try {
    const response = await policyFetch(policy)(url, { signal, redirect: 'manual' });
    void discard(response);
    return result({ reachable: true, status: response.status });
  } catch (error) {
    if (signal.aborted || !isUnreachable(error)) throw error;
    return result({ reachable: false });
  }
}

/** Whether an error is about the subscriber, and neither about our own limits nor about the time of the caller. */
function isUnreachable(error: unknown): boolean {
  if (isHoldfastError(error, 'TIMEOUT')) return error.kind === 'attempt';
  return error instanceof TypeError || isHoldfastError(error, 'HTTP_STATUS');
}
