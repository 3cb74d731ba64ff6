/**
 * The relay wired to NestJS, on Express or on Fastify (RELAY_PLATFORM).
 */
export {};
