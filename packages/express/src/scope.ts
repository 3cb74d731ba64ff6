/**
 * The request scope in Express: opened by `holdfast()`, found again by `getScope(res)`, ended when the response ends. Mount it
 * before what it shall cover, body parsers included: what is refused at the door is refused before its body is read.
 */
import type { RequestScope, Service } from '@holdfast/core';
import { checkOptionalFunction, checkOptions, checkTimeoutMs, invalidType } from '@holdfast/core/internal';
import { openRequestScope, requestScopeOf } from '@holdfast/node/internal';
import type { RequestHandler, Response } from 'express';

/** What the middleware needs. */
export interface HoldfastOptions {
  /** Tracks the scopes. */
  readonly service: Service;
  /** Longest time a request may take, in milliseconds; a caller's `x-request-timeout-ms` can only shorten it. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /** Paths whose requests are not refused because the service is overloaded; `healthRoutes` are not, being mounted before. @default none */
  readonly exempt?: ((path: string) => boolean) | undefined;
}

/**
 * Opens a scope for every request. Mounted once more on a route it can only shorten the time that the outer one allows.
 *
 * @throws TypeError, RangeError on bad options. Requests fail with OverloadedError and ShuttingDownError.
 */
export function holdfast(options: HoldfastOptions): RequestHandler {
  checkOptions('options', options, ['service', 'timeoutMs', 'exempt']);
  const { service, timeoutMs = Infinity, exempt } = options;
  if (typeof service?.openScope !== 'function') throw invalidType('service', 'a Service', service);
  checkTimeoutMs('timeoutMs', timeoutMs);
  checkOptionalFunction('exempt', exempt);

  return function holdfast(req, res, next) {
    openRequestScope(service, req, res, { timeoutMs, exempt }).run(next);
  };
}

/**
 * The scope of the request that `res` answers.
 *
 * @throws Error where `holdfast()` is not mounted before this route.
 */
export function getScope(res: Response): RequestScope {
  const scope = requestScopeOf(res);
  if (scope === undefined) throw new Error('No request scope: mount holdfast({ service }) before this route');
  return scope;
}
