/** `/livez`, `/startupz`, `/readyz` and `/metrics` as a Hono app of their own, to be mounted with `app.route()` at any path. */
import { healthHandler, type Service } from '@holdfast/core';
import { Hono, type Context, type Handler } from 'hono';

const healthHandlers = new WeakSet<object>();

/**
 * Routes that answer for `service`.
 *
 * @example
 * app.route('/', healthRoutes(service));
 */
export function healthRoutes(service: Service): Hono {
  const answer = healthHandler(service);
  const handler: Handler = (c) => answer(c.req.raw);
  healthHandlers.add(handler);
  return new Hono().on('GET', ['/livez', '/startupz', '/readyz', '/metrics'], handler);
}

/** Whether one of these routes will answer this request. */
export function isHealthRequest(c: Context): boolean {
  return c.req.matchedRoutes.some(({ handler }) => healthHandlers.has(handler));
}
