/**
 * The queue engines that the relay can run on. Each loads its client when a queue is opened, so that a relay on one of them needs
 * nothing of the others. `sqlite:` without a path is a file beside the store.
 */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JobEngine } from '@holdfast/core';
import { bullmq } from '@holdfast/jobs-bullmq';
import { nats } from '@holdfast/jobs-nats';
import { sqlite } from '@holdfast/jobs-sqlite';

/** Every engine but the one that core has built in. */
export const engines: readonly JobEngine[] = [sqlite, bullmq, nats];

/** Whether there is an engine for `value`. */
export function isQueueUrl(value: string): boolean {
  if (value === 'memory:' || isBare(value)) return true;
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  try {
    return engines.some((engine) => engine.schemes.includes(url.protocol) && engine.connect(url));
  } catch {
    return false; // the engine is there, but what the URL asks of it is not
  }
}

/** `value` with the file that `sqlite:` stands for. */
export function queueUrl(value: string, dataDirectory: string): string {
  if (!isBare(value)) return value;
  const { pathname } = pathToFileURL(join(resolve(dataDirectory), 'jobs.db'));
  return `sqlite://${pathname}${value.slice('sqlite:'.length)}`;
}

function isBare(value: string): boolean {
  return /^sqlite:(?:\?synchronous=(?:normal|full))?$/.test(value);
}
