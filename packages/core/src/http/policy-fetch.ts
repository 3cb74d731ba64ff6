/**
 * `fetch` behind a policy, to be used in its place. It resolves with the last response whatever its status, as `fetch` does; what
 * the policy sees is an HttpStatusError for a status that is worth trying again. It sends a request twice only where that is
 * harmless, tells the callee how long the caller waits, and leaves no response unread.
 */
import { HttpStatusError } from '../errors/http-status-error.ts';
import { checkOptionalFunction, checkOptions, invalidType } from '../options/checks.ts';
import { RETRYING, type Policy } from '../policy/policy.ts';
import { deadlineOf, type Deadline } from '../signal/deadline.ts';
import type { AttemptContext } from '../signal/work-context.ts';
import { abortableBody } from './abortable-body.ts';
import { Discarded } from './discard.ts';
import { DEADLINE_HEADER } from './inbound.ts';
import { replayable } from './replay.ts';
import { parseRetryAfter } from './retry-after.ts';

/** How requests find their policy. */
export interface PolicyFetchOptions {
  /** Gives each of these its own policy, such as `(url) => url.origin`. @default one policy for all */
  readonly keyBy?: ((url: URL) => string) | undefined;
}

/**
 * Makes a `fetch` whose requests go through `policy`.
 *
 * Statuses 408, 425, 429 and from 500 up are retried, `Retry-After` is respected, and a circuit counts those from 500 up and
 * connections that fail. Requests with another method than GET, HEAD, OPTIONS, TRACE, PUT and DELETE are sent once, unless they
 * have an `Idempotency-Key`; so are those whose body is a stream.
 *
 * @example
 * const get = policyFetch(upstream, { keyBy: (url) => url.origin });
 * const response = await get('https://api.example/users', { signal: scope.signal });
 */
export function policyFetch(policy: Policy, options: PolicyFetchOptions = {}): typeof fetch {
  if (typeof policy !== 'object' || policy === null || typeof policy.execute !== 'function')
    throw invalidType('policy', 'a Policy', policy);
  checkOptions('options', options, ['keyBy']);
  const { keyBy } = options;
  checkOptionalFunction('keyBy', keyBy);
  return async (input, init) => {
    const url = urlOf(input);
    // fetch itself says best what is wrong with a URL
    if (url === undefined) return fetch(input, init);
    return send(keyBy === undefined ? policy : policy.for(keyBy(url)), url, input, init);
  };
}

type Input = Parameters<typeof fetch>[0];

/** What may be given beside what `fetch` knows: a context spread over the options has its deadline. */
interface Init extends RequestInit {
  readonly deadline?: Deadline | undefined;
}

async function send(policy: Policy, url: URL, input: Input, init: Init = {}): Promise<Response> {
  const request = input instanceof Request ? input : undefined;
  // null takes the signal of a Request away, as fetch has it
  const caller = (init.signal === undefined ? request?.signal : init.signal) ?? undefined;
  const headers = new Headers(init.headers ?? request?.headers);
  const method = init.method ?? request?.method ?? 'GET';
  const repeat = replayable({ method, headers, body: init.body ?? request?.body });
  let last: Response | undefined;
  let failure: HttpStatusError | undefined;
  let discarded: Discarded | undefined;
  let limited = false;
  // already during the back-off, so that the connection is free for the next attempt
  const discard = (): void => {
    discarded?.cancel();
    discarded = last && new Discarded(last);
    last = undefined;
  };
  const options = {
    signal: caller,
    deadline: init.deadline ?? (caller && deadlineOf(caller)),
    [RETRYING]: { once: !repeat, scheduled: discard },
  };
  const attempt = async (ctx: AttemptContext): Promise<Response> => {
    limited = ctx.signal !== caller;
    last = await fetch(input, {
      ...init,
      headers: withDeadline(headers, ctx.deadline),
      signal: ctx.signal,
    });
    if (!worthRetrying(last.status)) return last;
    failure = statusError(last, url);
    throw failure;
  };
  const response = await policy
    .execute(attempt, options)
    .catch((error: unknown) => {
      if (last !== undefined && error === failure) return last;
      discard();
      throw error;
    })
    .finally(() => discarded?.cancel());
  return caller !== undefined && limited ? abortableBody(response, caller) : response;
}

function urlOf(input: Input): URL | undefined {
  const page: unknown = Reflect.get(Reflect.get(globalThis, 'location') ?? {}, 'href');
  try {
    return new URL(input instanceof Request ? input.url : input, typeof page === 'string' ? page : undefined);
  } catch {
    return undefined;
  }
}

function worthRetrying(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

function statusError({ status, headers }: Response, { origin, pathname }: URL): HttpStatusError {
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'));
  return new HttpStatusError(status, origin + pathname, { retryAfterMs });
}

/** The headers with how long the caller waits, where nobody upstream waits for less. */
function withDeadline(headers: Headers, deadline: Deadline | undefined): Headers {
  if (deadline === undefined) return headers;
  const copy = new Headers(headers);
  const given = copy.get(DEADLINE_HEADER) ?? '';
  const remainingMs = Math.max(1, Math.floor(deadline.remainingMs));
  const asked = /^\d{1,15}$/.test(given) ? Number(given) : Infinity;
  if (remainingMs < asked) copy.set(DEADLINE_HEADER, String(remainingMs));
  return copy;
}
