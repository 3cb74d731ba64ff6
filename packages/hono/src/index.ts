/**
 * Holdfast for Hono 4: request scope, problem details and health routes on any runtime; graceful listen on Node.
 */
export {};
