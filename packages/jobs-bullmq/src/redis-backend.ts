/**
 * BullMQ on Redis or Valkey. Producers have a connection that refuses at once while Redis is away; workers have one that waits.
 */
import { EngineUnavailableError, type CallOptions } from '@holdfast/core';
import type { Redis, RedisOptions } from 'ioredis';
import type { Backend } from './backend.ts';
import { loadBull, quiet, type BullFlows, type LoadBull } from './bull.ts';
import { translate } from './engine-errors.ts';
import { makeWorker } from './hand-worker.ts';
import type { RedisLocation } from './location.ts';
import { checkRedis } from './redis-checks.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RECONNECT_MS = 1_000;

/** Connects, checks that Redis keeps what it is given, and loads `bullmq`. */
export async function openRedis(
  { url, prefix, allowUnsafe }: RedisLocation,
  load: LoadBull,
  { signal }: CallOptions,
): Promise<Backend> {
  const [bullmq, { Redis: Client }] = await Promise.all([loadBull(load), import('ioredis')]);
  const connect = (options: ConnectionOptions): Redis => {
    const client = new Client(url, { ...CONNECTION, ...options });
    // commands reject by themselves
    client.on('error', () => {});
    return client;
  };
  const producers = connect({ enableOfflineQueue: false });
  const stop = (): void => producers.disconnect();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await connected(producers);
    await checkRedis(producers, allowUnsafe);
  } catch (error) {
    producers.disconnect();
    throw translate(error);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  let consumers: Redis | undefined;
  const shared = { ...OPTIONS, connection: producers, prefix, skipWaitingForReady: true };
  let flows: BullFlows | undefined;
  return {
    final: bullmq.UnrecoverableError,
    queue: (name) => quiet(new bullmq.Queue(name, shared)),
    addAll: async (queueName, entries) => {
      flows ??= quiet(new bullmq.FlowProducer(shared));
      const mine = flows;
      try {
        const added = await mine.addBulk(
          entries.map(({ data, options }) => ({ name: 'job', queueName, prefix, data, opts: options })),
        );
        return added.map(({ job }) => job.id);
      } catch (error) {
        // one that found no connection when it was made never will
        if (flows === mine) flows = undefined;
        throw error;
      }
    },
    worker: (name, options) => {
      consumers ??= connect({});
      return makeWorker(bullmq, name, options, {
        ...OPTIONS,
        connection: consumers,
        prefix,
        answersClosed: true,
      });
    },
    close: async () => {
      await flows?.close().catch(() => {});
      producers.disconnect();
      consumers?.disconnect();
    },
  };
}

/** What its own checks find is only printed; ours have looked. */
const OPTIONS = { skipVersionCheck: true };

/** Answers come as they are. */
type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>;

const CONNECTION: ConnectionOptions = {
  lazyConnect: true,
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  // with a question on it; shorter than a lease is by default
  socketTimeout: 10_000,
  maxRetriesPerRequest: null,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), MAX_RECONNECT_MS),
};

async function connected(client: Redis): Promise<void> {
  let cause: unknown;
  const keep = (error: unknown): void => {
    cause ??= error;
  };
  client.on('error', keep);
  try {
    await client.connect();
  } catch (error) {
    const why = cause ?? error;
    throw new EngineUnavailableError(`Redis: ${why instanceof Error ? why.message : String(why)}`, why);
  } finally {
    client.off('error', keep);
  }
}
