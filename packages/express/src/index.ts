/**
 * Holdfast for Express 5: request scope, problem details, health routes, graceful listen.
 */
export {};
