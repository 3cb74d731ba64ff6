/**
 * What HTTP says of an error: the one table that every adapter uses, as `application/problem+json` (RFC 9457). Errors that are
 * not ours, and the caller's own leaving, have no answer here. The detail of a 500 says nothing of the inside.
 */
import type { HoldfastCode, HoldfastError } from '../errors/holdfast-error.ts';
import { isHoldfastError } from '../errors/is-holdfast-error.ts';

/** The body of a problem answer. */
export interface Problem {
  /** `about:blank`: the status says what kind of problem it is, `code` which one. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: HoldfastCode;
  readonly retryAfterMs?: number | undefined;
}

/** An answer, ready to be written by any framework. */
export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

const TITLES = {
  409: 'Conflict',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
} as const;

interface Row {
  readonly status: keyof typeof TITLES;
  /** The connection belongs to a server that leaves. */
  readonly close?: boolean;
}

const BUSY: Row = { status: 503 };
const LEAVING: Row = { status: 503, close: true };
const OTHER: Row = { status: 500 };

const ROWS: Readonly<Partial<Record<HoldfastCode, Row>>> = {
  QUEUE_FULL: BUSY,
  BULKHEAD_FULL: BUSY,
  POOL_FULL: BUSY,
  TASK_LIMIT: BUSY,
  RATE_LIMITED: BUSY,
  OVERLOADED: BUSY,
  ENQUEUE_TIMEOUT: BUSY,
  ENGINE_UNAVAILABLE: BUSY,
  CIRCUIT_OPEN: BUSY,
  QUEUE_CLOSED: LEAVING,
  SHUTTING_DOWN: LEAVING,
  TIMEOUT: { status: 504 },
  PAYLOAD_TOO_LARGE: { status: 413 },
  KEY_IN_USE: { status: 409 },
  KEY_REUSED: { status: 422 },
};

/**
 * The answer to an error of Holdfast's own; `undefined` for every other error, and for DISCONNECTED: nobody is there to read it.
 *
 * @example
 * const problem = toProblem(error);
 * if (problem === undefined) throw error;
 * return new Response(JSON.stringify(problem.body), { status: problem.status, headers: problem.headers });
 */
export function toProblem(error: unknown): ProblemAnswer | undefined {
  if (!isHoldfastError(error) || error.code === 'DISCONNECTED') return undefined;
  const { status, close = false } = ROWS[error.code] ?? OTHER;
  const retryAfterMs = waitOf(error);
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (status === 503) headers['Retry-After'] = String(Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1_000)));
  if (close) headers['Connection'] = 'close';
  const body: Problem = {
    type: 'about:blank',
    title: TITLES[status],
    status,
    detail: status === 500 ? 'The server could not complete the request' : error.message,
    code: error.code,
  };
  return { status, headers, body: retryAfterMs === undefined ? body : { ...body, retryAfterMs } };
}

/** What the error says of trying again, where that is a time one can wait. */
function waitOf({ retryAfterMs }: HoldfastError): number | undefined {
  return typeof retryAfterMs === 'number' && Number.isFinite(retryAfterMs) && retryAfterMs >= 0
    ? retryAfterMs
    : undefined;
}
