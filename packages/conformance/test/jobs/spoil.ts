/** Makes what BullMQ stored of the jobs on queue `jobs` something that cannot be read. */
import { Redis } from 'ioredis';
import { Client } from 'pg';

/** Of a Redis: text that is no JSON. */
export async function spoilRedis(url: string): Promise<void> {
  const client = new Redis(url.split('?')[0] ?? '');
  const prefix = new URL(url).searchParams.get('prefix') ?? 'bull';
  for (const key of await client.keys(`${prefix}:jobs:*-*`))
    if ((await client.type(key)) === 'hash') await client.hset(key, 'data', '{"not');
  client.disconnect();
}

/** Of a PostgreSQL, which keeps the outermost JSON whole: a body that is none. */
export async function spoilPostgres(url: string): Promise<void> {
  const { searchParams } = new URL(url);
  const client = new Client(url.split('?')[0]);
  await client.connect();
  await client.query(
    `UPDATE ${searchParams.get('schema')}.job SET data = jsonb_set(data, '{body}', '"{not"') WHERE queue = 'jobs'`,
  );
  await client.end();
}
