/**
 * Durable Holdfast job queues in a file: SQLite, several processes on one host, no server.
 */
export { sqlite } from './sqlite-engine.ts';
