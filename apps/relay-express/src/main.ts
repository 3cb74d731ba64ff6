/**
 * The relay wired to Express.
 */
export {};
