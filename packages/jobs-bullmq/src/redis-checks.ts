/** Whether a Redis keeps what it is given: a version that BullMQ works on, nothing evicted, and a log of commands. */
import { UnsafeEngineError } from '@holdfast/core';
import type { Redis } from 'ioredis';
import { warn } from './warn.ts';

const OLDEST: readonly [number, number] = [6, 2];

/**
 * Looks at what `INFO` says; where a service hides something, that is a warning.
 *
 * @throws UnsafeEngineError (as a rejection) unless `allowUnsafe`.
 */
export async function checkRedis(client: Redis, allowUnsafe: boolean): Promise<void> {
  const info = readInfo(await client.info());
  const flaws = redisFlaws(info);
  if (flaws.length === 0) return;
  const text = `Redis may lose jobs: ${flaws.map(({ text: flaw }) => flaw).join('; ')}`;
  if (!allowUnsafe && flaws.some(({ certain }) => certain)) throw new UnsafeEngineError(text);
  warn(text);
}

interface Flaw {
  readonly text: string;
  readonly certain: boolean;
}

/** What is wrong, by the answer to `INFO`. */
export function redisFlaws(info: ReadonlyMap<string, string>): readonly Flaw[] {
  const flaws: Flaw[] = [];
  const version = info.get('redis_version');
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version === undefined) flaws.push({ text: 'it does not tell its version', certain: false });
  else if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    flaws.push({ text: `version ${version} is older than ${OLDEST.join('.')}`, certain: true });

  const policy = info.get('maxmemory_policy');
  if (policy === undefined) flaws.push({ text: 'it does not tell its maxmemory-policy', certain: false });
  else if (policy !== 'noeviction')
    flaws.push({ text: `maxmemory-policy is ${policy}, and must be noeviction`, certain: true });

  const log = info.get('aof_enabled');
  if (log === undefined) flaws.push({ text: 'it does not tell whether appendonly is on', certain: false });
  else if (log !== '1') flaws.push({ text: 'appendonly is off', certain: true });
  return flaws;
}

/** The answer to `INFO`, by name. */
export function readInfo(text: string): ReadonlyMap<string, string> {
  const info = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [name = '', value] = line.trim().split(':');
    if (value !== undefined) info.set(name, value);
  }
  return info;
}
