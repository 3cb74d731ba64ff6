/**
 * Holdfast for NestJS 11 and 12: module, decorators, request scope, health, graceful listen.
 */
export {};
