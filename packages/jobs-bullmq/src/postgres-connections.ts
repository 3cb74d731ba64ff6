/**
 * How BullMQ's connections to PostgreSQL are made. It borrows them by promises and listens to them a turn later, or not at all: one
 * that the server ends in between says so in an event, which would end the process if nobody heard it. And it asks the server to end
 * them, which one that stands still never does, so what is left of them can be cut.
 */
import { Socket } from 'node:net';
import type { Client as PgClient, ClientConfig, PoolConfig } from 'pg';
import type { BullBackend } from './bull.ts';

/** How long a connection with a question on it may be silent, in milliseconds; shorter than a lease is by default. */
const SILENT_MS = 10_000;

/** What is used of the `pg` module. */
interface Pg {
  readonly Client: typeof PgClient;
}

/** The connections of one backend and its workers. */
export class PostgresConnections {
  /** For a client of our own, which may ask what takes long. */
  readonly config: ClientConfig;
  /** For BullMQ. */
  readonly pool: PoolConfig;
  readonly #listener: Pg;
  readonly #sockets: Set<Socket> = new Set<Socket>();

  constructor({ Client }: Pg, config: ClientConfig) {
    const stream = (): Socket => this.#socket();

    /** A client that says an error only to those who listen: the same error is the answer to what was asked. */
    class HeardClient extends Client {
      override emit(event: string | symbol, ...details: unknown[]): boolean {
        return event === 'error' && this.listenerCount(event) === 0 ? false : super.emit(event, ...details);
      }
    }
    /** A client that listens, and hears nothing for as long as nothing happens. */
    class ListenClient extends HeardClient {
      constructor(given: ClientConfig) {
        super({ ...given, stream });
      }
    }

    this.config = { ...config, stream };
    this.pool = {
      ...config,
      stream: () => this.#socket(SILENT_MS),
      Client: HeardClient,
      // before it has been silent for too long
      idleTimeoutMillis: SILENT_MS / 2,
    };
    this.#listener = { Client: ListenClient };
  }

  /** Makes the connection on which `backend` listens one of these, too. */
  adopt<T extends BullBackend>(backend: T): T {
    const { connection } = backend;
    if (connection !== undefined) connection.pgModule = this.#listener;
    return backend;
  }

  /** Ends all of them, whatever the server does; whoever waits for an answer gets an error. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #socket(silentMs = 0): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.setTimeout(silentMs, () => socket.destroy(new Error('ETIMEDOUT: PostgreSQL does not answer')));
    return socket;
  }
}
