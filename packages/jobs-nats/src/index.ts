/**
 * Durable Holdfast job queues on NATS JetStream.
 */
export { nats } from './nats-engine.ts';
