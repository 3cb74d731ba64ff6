/**
 * Errors as `application/problem+json`: Holdfast's own by the one table, everything else by `fallback` or by Hono itself. When the
 * caller has left nothing is written, and logs see the status 499.
 */
import { isHoldfastError, toProblem } from '@holdfast/core';
import { Hono, type Context, type ErrorHandler } from 'hono';
import { nodeBindings } from './response-end.ts';

const CALLER_LEFT = 499;

/**
 * An error handler for `app.onError()`. `fallback` gets the errors that are not Holdfast's. @default Hono's own handling
 *
 * @example
 * app.onError(problemDetails());
 */
export function problemDetails(fallback: ErrorHandler = honoErrorHandler()): ErrorHandler {
  return (error, c) => {
    const problem = toProblem(error);
    if (problem !== undefined)
      return new Response(JSON.stringify(problem.body), { status: problem.status, headers: problem.headers });
    if (isHoldfastError(error, 'DISCONNECTED') && hasLeft(c))
      return new Response(null, { status: CALLER_LEFT });
    return fallback(error, c);
  };
}

/** Whether the caller of this very request has left; the error may be about somebody else's. */
function hasLeft(c: Context): boolean {
  const node = nodeBindings(c);
  return node === undefined ? c.req.raw.signal.aborted : node.outgoing.destroyed;
}

function honoErrorHandler(): ErrorHandler {
  const handler: unknown = Reflect.get(new Hono(), 'errorHandler');
  if (typeof handler !== 'function') throw new TypeError('This version of Hono has no error handler');
  return handler as ErrorHandler;
}
