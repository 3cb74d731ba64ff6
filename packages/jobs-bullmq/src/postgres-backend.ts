/** BullMQ on PostgreSQL: its tables are made at the first opening. Producers share one pool; each worker has its own, and listens. */
import {
  EngineUnavailableError,
  UnsafeEngineError,
  UnsupportedError,
  withTimeout,
  type CallOptions,
} from '@holdfast/core';
import type { Client } from 'pg';
import type { Backend } from './backend.ts';
import { loadBull, quiet, type Bull, type BullBackend, type Listenable, type LoadBull } from './bull.ts';
import { translate } from './engine-errors.ts';
import { makeWorker } from './hand-worker.ts';
import type { PostgresLocation } from './location.ts';
import { checkClock } from './postgres-checks.ts';
import { PostgresConnections } from './postgres-connections.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** How long the server may take to close connections in order, in milliseconds. */
const CLOSE_MS = 500;
/** Connections at most, of all producers and of each worker; a worker has one more, to listen. */
const POOL_SIZE = 4;

/** Connects, checks the clock, and brings the tables up to date. */
export async function openPostgres(
  { url, schema, allowUnsafe }: PostgresLocation,
  load: LoadBull,
  { signal }: CallOptions,
): Promise<Backend> {
  const [bullmq, { default: pg }] = await Promise.all([loadBull(load), import('pg')]);
  const { createPostgresBackend } = bullmq;
  if (createPostgresBackend === undefined)
    throw new UnsupportedError('PostgreSQL needs version 6 of bullmq; this one is older');
  const connections = new PostgresConnections(pg, {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  const connect = (name: string, options: object, more?: object): BullBackend & Listenable =>
    connections.adopt(createPostgresBackend(name, options, more));
  const options = { connection: { ...connections.pool, schema, max: POOL_SIZE } };
  const stop = (): void => connections.cut();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', stop, { once: true });
  let backend: BullBackend & Listenable;
  try {
    await prepare(new pg.Client(connections.config), bullmq, { schema, allowUnsafe });
    backend = quiet(connect('holdfast', options));
    // asked once: what it answers first it answers always
    await backend.waitUntilReady();
  } catch (error) {
    connections.cut();
    throw translate(error);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  const shared = (name: string): BullBackend => backend.forQueue(name);
  const flows = quiet(new bullmq.FlowProducer(options, shared));
  return {
    final: bullmq.UnrecoverableError,
    queue: (name) => quiet(new bullmq.Queue(name, options, shared)),
    addAll: async (queueName, entries) => {
      const added = await flows.addBulk(
        entries.map(({ data, options: opts }) => ({ name: 'job', queueName, data, opts })),
      );
      return added.map(({ job }) => job.id);
    },
    worker: (name, subscribe) =>
      makeWorker(bullmq, name, subscribe, {
        ...options,
        factory: connect,
        answersClosed: false,
      }),
    close: async () => {
      await withTimeout(() => backend.close(), { timeoutMs: CLOSE_MS }).catch(() => {});
      connections.cut();
    },
  };
}

async function prepare(
  client: Client,
  { runMigrations, UnsupportedPostgresVersionError }: Bull,
  { schema, allowUnsafe }: Pick<PostgresLocation, 'schema' | 'allowUnsafe'>,
): Promise<void> {
  client.on('error', () => {});
  try {
    await client.connect();
    await checkClock(client, allowUnsafe);
    await runMigrations?.(client, schema, { skipVersionCheck: allowUnsafe });
  } catch (error) {
    if (error instanceof UnsafeEngineError) throw error;
    if (UnsupportedPostgresVersionError !== undefined && error instanceof UnsupportedPostgresVersionError)
      throw new UnsafeEngineError(error.message);
    // whoever may not make tables finds out, when they are asked, whether they are there
    if (Reflect.get(Object(error), 'code') === NOT_ALLOWED) return;
    throw new EngineUnavailableError(
      `PostgreSQL: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  } finally {
    await client.end().catch(() => {});
  }
}

const NOT_ALLOWED = '42501';
