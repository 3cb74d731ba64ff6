/** The engine for `sqlite:` URLs. SQLite itself is loaded when a queue opens. */
import type { JobEngine } from '@holdfast/core';
import { readLocation } from './location.ts';
import { SqliteDriver } from './sqlite-driver.ts';

/**
 * Durable jobs in a file.
 *
 * @example
 * const jobs = new JobQueue<Job>({ name: 'jobs', url: 'sqlite:./data/jobs.db', engines: [sqlite] });
 */
export const sqlite: JobEngine = {
  schemes: ['sqlite:'],
  connect: (url) => new SqliteDriver(readLocation(url)),
};
