/**
 * Holdfast for Hono 4: request scope, problem details and health routes on any runtime; graceful listen on Node is in
 * `@holdfast/hono/node`. Everything of `@holdfast/core` is exported here too, so that an app imports one package.
 */
export * from '@holdfast/core';
export { healthRoutes } from './health-routes.ts';
export { problemDetails } from './problem-details.ts';
export { getScope, holdfast, type HoldfastEnv, type HoldfastOptions } from './scope.ts';
