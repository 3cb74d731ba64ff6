/** `/livez`, `/startupz`, `/readyz` and `/metrics` as a router, to be mounted before `holdfast()`: probes need no scope and pass every door. */
import type { Service } from '@holdfast/core';
import { answerHealth } from '@holdfast/node/internal';
import { Router } from 'express';

/**
 * Routes that answer for `service`.
 *
 * @example
 * app.use(healthRoutes(service));
 */
export function healthRoutes(service: Service): Router {
  const answer = answerHealth(service);
  return Router({ caseSensitive: true, strict: true }).get(
    ['/livez', '/startupz', '/readyz', '/metrics'],
    answer,
  );
}
