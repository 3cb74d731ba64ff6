/** What the errors of BullMQ and its clients mean to a queue. */
import { EngineUnavailableError, isHoldfastError } from '@holdfast/core';

/** Missing job, missing lock, not active, somebody else's lock. */
const LEASE_CODES: ReadonlySet<unknown> = new Set<unknown>([-1, -2, -3, -6]);

/** Whether a job is no longer this worker's: its outcome was refused. */
export function isLeaseLost(error: unknown): boolean {
  return LEASE_CODES.has(Reflect.get(Object(error), 'code'));
}

/** Nothing was sent, or it was refused before anything was written. */
const REFUSED =
  /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN|isn't writeable|^OOM |^LOADING |^READONLY |^MISCONF |^NOREPLICAS |^EXECABORT |timeout exceeded when trying to connect/;
/** SQL: too many connections, starting up, read-only, disk full, out of memory, no privilege. */
const REFUSED_STATES: ReadonlySet<unknown> = new Set<unknown>([
  '53300',
  '57P03',
  '25006',
  '53100',
  '53200',
  '42501',
]);
/** The connection broke while an answer was awaited. */
const UNKNOWN =
  /ECONNRESET|EPIPE|ETIMEDOUT|Connection is closed|Connection terminated|terminating connection|Client has encountered a connection error/;
const UNKNOWN_STATES: ReadonlySet<unknown> = new Set<unknown>(['57P01', '57P02', '08006', '08003']);

/** What became of something that was asked of an engine. */
export function outcomeOf(error: unknown): 'refused' | 'unknown' | 'failed' {
  const { code, text } = describe(error);
  if (REFUSED_STATES.has(code) || REFUSED.test(text)) return 'refused';
  return UNKNOWN_STATES.has(code) || UNKNOWN.test(text) ? 'unknown' : 'failed';
}

/** The error as a caller of a queue knows it. */
export function translate(error: unknown): unknown {
  if (isHoldfastError(error) || outcomeOf(error) === 'failed') return error;
  return new EngineUnavailableError(`The engine cannot be used: ${describe(error).text}`, error);
}

function describe(error: unknown): { readonly code: unknown; readonly text: string } {
  if (!(error instanceof Error)) return { code: undefined, text: String(error) };
  const code: unknown = Reflect.get(error, 'code');
  // several addresses of one host that refused each have their own error
  const inner = error instanceof AggregateError ? error.errors.map(String).join('; ') : '';
  return { code, text: [error.message, inner, code].filter(Boolean).join(' ') };
}
