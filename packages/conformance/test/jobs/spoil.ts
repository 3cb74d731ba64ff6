/** Makes what an engine stored of the jobs on queue `jobs` something that cannot be read. */
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { connectTo } from '../../../jobs-nats/src/client.ts';
import { readLocation } from '../../../jobs-nats/src/location.ts';
import { namesOf } from '../../../jobs-nats/src/names.ts';

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

/** Of a NATS server, whose messages cannot be changed: each gives way to one with its headers and half a body. */
export async function spoilNats(url: string): Promise<void> {
  const location = readLocation(new URL(url));
  const { stream, subject } = namesOf(location.namespace, 'jobs').jobs;
  const client = await connectTo(location);
  const { state } = await client.manager.streams.info(stream);
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await client.manager.streams.getMessage(stream, { seq });
    const headers = client.newHeaders();
    for (const [key, values] of message?.header ?? []) for (const value of values) headers.append(key, value);
    headers.delete('Nats-Msg-Id');
    await client.manager.streams.deleteMessage(stream, seq);
    await client.stream.publish(subject, '{"not', { headers });
  }
  await client.connection.close();
}
