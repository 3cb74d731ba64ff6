/** The engine for `redis:`, `rediss:`, `postgres:` and `postgresql:` URLs. BullMQ and the client are loaded when a queue opens. */
import type { JobEngine } from '@holdfast/core';
import type { LoadBull } from './bull.ts';
import { BullmqDriver } from './bullmq-driver.ts';
import { readLocation } from './location.ts';

/** Makes an engine of one `bullmq`. */
export function engineOf(load: LoadBull): JobEngine {
  return {
    schemes: ['redis:', 'rediss:', 'postgres:', 'postgresql:'],
    connect: (url) => new BullmqDriver(readLocation(url), load),
  };
}

/**
 * Durable jobs on Redis, Valkey or PostgreSQL.
 *
 * @example
 * const jobs = new JobQueue<Job>({ name: 'jobs', url: 'redis://localhost:6379', engines: [bullmq] });
 */
export const bullmq: JobEngine = engineOf(() => import('bullmq'));
