/**
 * What a URL says: `nats://user:password@host-1,host-2:4222/namespace?replicas=3&credentials=./user.creds`. The host may be several,
 * all on one port; a name without a password is a token. Everything of a namespace is named after it.
 */
import { outOfRange } from '@holdfast/core/internal';

/** A name or an address. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])$/iu;

/** Where the engine is, and how its streams are made. */
export interface Location {
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** Path of a credentials file. */
  readonly credentials: string | undefined;
  /** What the names of streams and subjects begin with. */
  readonly namespace: string;
  /** On how many servers of a cluster each stream is kept, where it is made here. */
  readonly replicas: number;
}

/**
 * Reads a URL.
 *
 * @throws RangeError, which shows nothing of a password
 */
export function readLocation(url: URL): Location {
  const { protocol, hostname, port, username, password, pathname, searchParams } = url;
  const hosts = hostname.split(',');
  if (!hosts.every((host) => HOST.test(host)))
    throw outOfRange('url', 'nats://host:port, or nats://host-1,host-2:port', `${protocol}//${hostname}`);
  const namespace = pathname.slice(1) || 'holdfast';
  if (!/^[\w-]{1,32}$/u.test(namespace))
    throw outOfRange('url', 'with a path of up to 32 of A-Z a-z 0-9 _ -', pathname);
  for (const key of searchParams.keys())
    if (key !== 'replicas' && key !== 'credentials')
      throw outOfRange('url', 'with nothing but replicas and credentials after "?"', key);
  const replicas = Number(searchParams.get('replicas') ?? 1);
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 5)
    throw outOfRange('url', 'with replicas from 1 to 5', searchParams.get('replicas'));
  const name = username === '' ? undefined : decodeURIComponent(username);
  return {
    servers: hosts.map((host) => `${host}:${port || '4222'}`),
    tls: protocol === 'tls:',
    user: password === '' ? undefined : name,
    password: password === '' ? undefined : decodeURIComponent(password),
    token: password === '' ? name : undefined,
    credentials: searchParams.get('credentials') ?? undefined,
    namespace,
    replicas,
  };
}
