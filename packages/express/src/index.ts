/**
 * Holdfast for Express 5: request scope, problem details, health routes, graceful listen. Everything of `@holdfast/core` and
 * `@holdfast/node` is exported here too, so that an app imports one package.
 */
export * from '@holdfast/core';
export * from '@holdfast/node';
export { healthRoutes } from './health-routes.ts';
export { listen } from './listen.ts';
export { problemDetails } from './problem-details.ts';
export { getScope, holdfast, type HoldfastOptions } from './scope.ts';
