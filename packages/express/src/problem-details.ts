/**
 * Errors as `application/problem+json`: Holdfast's own by the one table, everything else passed on. When the caller has left
 * nothing is written; when headers are out already the error is passed on, and Express breaks the response off.
 */
import { isHoldfastError, toProblem } from '@holdfast/core';
import type { ErrorRequestHandler } from 'express';

/**
 * An error handler, to be mounted after all routes.
 *
 * @example
 * app.use(problemDetails());
 */
export function problemDetails(): ErrorRequestHandler {
  return function problemDetails(error, _req, res, next) {
    if (isHoldfastError(error, 'DISCONNECTED') && res.destroyed) return;
    const problem = res.headersSent ? undefined : toProblem(error);
    if (problem === undefined) return next(error);
    res.status(problem.status).set(problem.headers).end(JSON.stringify(problem.body));
  };
}
