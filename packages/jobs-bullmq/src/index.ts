/**
 * Durable Holdfast job queues on Redis, Valkey or PostgreSQL, through BullMQ.
 */
export { bullmq } from './bullmq-engine.ts';
