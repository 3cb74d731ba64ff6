/** Loads the client, connects, and checks that what answers is a JetStream new enough. */
import type * as JetStream from '@nats-io/jetstream';
import type * as Transport from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';
import { EngineUnavailableError, UnsupportedError } from '@holdfast/core';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import type { Client } from './link.ts';
import type { Location } from './location.ts';
import { isOlder, readVersion, type Version } from './version.ts';

/** How long a server may take to let a connection in, or to answer a request, in milliseconds. */
const CONNECT_TIMEOUT_MS = 4_000;
export const REQUEST_TIMEOUT_MS = 5_000;
/** How long to wait before the next attempt to reconnect, in milliseconds. */
const RECONNECT_MS = 250;
/** How often to ask whether the server is there; two that go unanswered end a connection. */
const PING_MS = 10_000;
/** The first version that has all that is used here. */
const OLDEST: Version = [2, 9, 0];

/** @throws EngineUnavailableError, UnsupportedError (as rejections) */
export async function connectTo(location: Location): Promise<Client> {
  const [transport, jetstream] = await load();
  let connection: NatsConnection;
  try {
    connection = await transport.connect(await optionsOf(location, transport));
  } catch (error) {
    const where = location.servers.join(', ');
    throw new EngineUnavailableError(`NATS at ${where} cannot be reached: ${messageOf(error)}`, error);
  }
  try {
    checkVersion(readVersion(connection.info?.version ?? ''));
    const manager = await jetstream
      .jetstreamManager(connection, { timeout: REQUEST_TIMEOUT_MS })
      .catch((error: unknown): JetStreamManager => {
        if (error instanceof Error && error.name === 'JetStreamNotEnabled')
          throw new UnsupportedError('The NATS server has no JetStream for this account');
        throw new EngineUnavailableError(`NATS: ${messageOf(error)}`, error);
      });
    return {
      connection,
      stream: manager.jetstream(),
      manager,
      newHeaders: () => transport.headers(),
      newInbox: () => transport.createInbox(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function load(): Promise<[typeof Transport, typeof JetStream]> {
  try {
    return await Promise.all([import('@nats-io/transport-node'), import('@nats-io/jetstream')]);
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UnsupportedError('nats: needs the packages @nats-io/transport-node and @nats-io/jetstream');
  }
}

async function optionsOf(location: Location, transport: typeof Transport): Promise<NodeConnectionOptions> {
  const { servers, tls, user, password, token, credentials } = location;
  const options: NodeConnectionOptions = {
    servers: [...servers],
    name: 'holdfast',
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    pingInterval: PING_MS,
    // a server that does not let us in now may do so later
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
  if (tls) options.tls = {};
  if (token !== undefined) options.token = token;
  if (user !== undefined) options.user = user;
  if (password !== undefined) options.pass = password;
  if (credentials !== undefined)
    options.authenticator = transport.credsAuthenticator(new Uint8Array(await readFile(credentials)));
  return options;
}

function checkVersion(version: Version): void {
  if (isOlder(version, OLDEST))
    throw new UnsupportedError(`NATS ${version.join('.')} is too old: ${OLDEST.join('.')} is needed`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
