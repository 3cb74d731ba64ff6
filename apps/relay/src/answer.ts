/** Answers as plain data, so that every framework writes the same bytes: JSON, or a problem (RFC 9457) for everything refused. */
import { toProblem } from '@holdfast/core';
import { RequestError, malformed } from './request-error.ts';

/** A whole response. The body is JSON text. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What is said of a refusal. */
export interface Refusal {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
}

/** An answer that is not a problem. Members that are `undefined` are left out. */
export function json(
  status: number,
  value: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return answer(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers }, value);
}

/** The answer to `error`; `members` are added to the problem. */
export function problem(error: unknown, members: Readonly<Record<string, unknown>> = {}): Answer {
  const { status, headers, body } = refusalOf(error);
  return answer(status, headers, { ...body, ...members });
}

/** What `error` means to a caller. An error that nobody expected is reported here, and the caller learns only that there was one. */
export function refusalOf(error: unknown): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Refusal;
} {
  const known = toProblem(error);
  if (known !== undefined) return known;
  const { status, code, title, message, headers } = asRequestError(error) ?? INTERNAL;
  return {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
    body: { type: 'about:blank', title, status, detail: message, code },
  };
}

/** The length is said here, so that an answer to HEAD has it too, whatever the framework. */
function answer(status: number, headers: Readonly<Record<string, string>>, value: unknown): Answer {
  const body = JSON.stringify(value);
  return { status, headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) }, body };
}

const INTERNAL = {
  status: 500,
  code: 'INTERNAL',
  title: 'Internal Server Error',
  message: 'The server could not complete the request',
  headers: {},
} as const;

/** A framework says by a status what is wrong with a request that it cannot read; any other error is the relay's own. */
function asRequestError(error: unknown): RequestError | undefined {
  if (error instanceof RequestError) return error;
  const { statusCode, status = statusCode } = Object(error) as Readonly<Record<string, unknown>>;
  if (status === 415) return new RequestError('UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json');
  if (typeof status === 'number' && status >= 400 && status < 500) return malformed();
  console.error(error);
  return undefined;
}
