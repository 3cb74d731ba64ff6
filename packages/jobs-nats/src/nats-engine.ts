/** The engine for `nats:` and `tls:` URLs. The client is loaded when a queue opens. */
import type { JobEngine } from '@holdfast/core';
import { readLocation } from './location.ts';
import { NatsDriver } from './nats-driver.ts';

/**
 * Durable jobs on NATS JetStream.
 *
 * @example
 * const jobs = new JobQueue<Job>({ name: 'jobs', url: 'nats://127.0.0.1:4222', engines: [nats] });
 */
export const nats: JobEngine = {
  schemes: ['nats:', 'tls:'],
  connect: (url) => new NatsDriver(readLocation(url)),
};
