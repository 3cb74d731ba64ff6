/**
 * The relay wired to Hono on Node.
 */
export {};
