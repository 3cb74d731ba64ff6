/** What a URL says: where Redis or PostgreSQL is, and the few things that are ours. Everything else is left to the client. */

/** Where Redis is, and how it is used. */
export interface RedisLocation {
  readonly kind: 'redis';
  /** For the client. */
  readonly url: string;
  /** What the keys begin with. */
  readonly prefix: string;
  /** Whether an engine that may lose jobs is taken all the same. */
  readonly allowUnsafe: boolean;
}

/** Where PostgreSQL is, and how it is used. */
export interface PostgresLocation {
  readonly kind: 'postgres';
  /** For the client. */
  readonly url: string;
  /** Where BullMQ's tables are. */
  readonly schema: string;
  /** Whether an engine that may lose jobs is taken all the same. */
  readonly allowUnsafe: boolean;
}

/** One of the two. */
export type Location = RedisLocation | PostgresLocation;

/**
 * Reads a URL such as `redis://localhost:6379/0?prefix=shop` or `postgres://localhost/shop?schema=jobs`.
 *
 * @throws RangeError on a parameter that is not known, or has a value it cannot have.
 */
export function readLocation(given: URL): Location {
  const url = new URL(given);
  const allowUnsafe = take(url, 'allowUnsafe', 'false');
  if (allowUnsafe !== 'true' && allowUnsafe !== 'false') throw outOfRange(url, 'allowUnsafe=true');
  if (url.protocol === 'redis:' || url.protocol === 'rediss:') {
    const prefix = take(url, 'prefix', 'bull');
    if (prefix === '' || prefix.includes(':')) throw outOfRange(url, 'a prefix that is not empty, without :');
    for (const name of url.searchParams.keys())
      if (name !== 'family')
        throw outOfRange(url, `prefix, family or allowUnsafe as parameters, not ${name}`);
    return { kind: 'redis', url: url.href, prefix, allowUnsafe: allowUnsafe === 'true' };
  }
  const schema = take(url, 'schema', 'bullmq');
  if (!/^[A-Za-z_][A-Za-z0-9_$]{0,62}$/u.test(schema))
    throw outOfRange(url, 'a schema that is an identifier');
  return { kind: 'postgres', url: url.href, schema, allowUnsafe: allowUnsafe === 'true' };
}

function take(url: URL, name: string, otherwise: string): string {
  const value = url.searchParams.get(name) ?? otherwise;
  url.searchParams.delete(name);
  return value;
}

/** Does not show the URL, which may hold a password. */
function outOfRange({ protocol }: URL, expected: string): RangeError {
  return Object.assign(new RangeError(`a ${protocol} URL must have ${expected}`), {
    code: 'ERR_OUT_OF_RANGE',
  });
}
