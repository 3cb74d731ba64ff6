import { buildStale } from '../../../vitest.build.ts';

export function setup(): void {
  buildStale(['core', 'jobs-sqlite', 'jobs-bullmq', 'jobs-nats', 'jobs']);
}
