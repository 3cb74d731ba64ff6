/**
 * Listens on one channel with a connection of the pool, and gets another one when that breaks. It is a hint and no more: what is
 * announced while there is no connection is found by looking.
 */
import {
  borrow,
  type PostgresConnection,
  type PostgresNotification,
  type PostgresPool,
} from '../postgres/postgres-client.ts';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** One channel's listener. Disposing gives its connection back. */
export class PostgresListener implements AsyncDisposable {
  readonly #pool: PostgresPool;
  readonly #channel: string;
  readonly #heard: (payload: string | undefined) => void;
  #connection: PostgresConnection | undefined;
  #connecting: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #disposed = false;

  constructor(pool: PostgresPool, channel: string, heard: (payload: string | undefined) => void) {
    this.#pool = pool;
    this.#channel = channel;
    this.#heard = heard;
  }

  /** Begins; resolves nothing, since nobody needs to wait for it. */
  start(): void {
    this.#connecting = this.#connect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#timer);
    await this.#connecting;
    const connection = this.#connection;
    if (connection === undefined) return;
    const quiet = await connection.query(`UNLISTEN ${this.#channel}`).then(
      () => true,
      () => false,
    );
    this.#leave(connection, !quiet);
  }

  async #connect(): Promise<void> {
    try {
      const connection = await borrow(this.#pool, this.#broken);
      if (this.#disposed) {
        connection.removeListener('error', this.#broken);
        connection.release();
        return;
      }
      this.#connection = connection;
      connection.on('notification', this.#notified);
      await connection.query(`LISTEN ${this.#channel}`);
      this.#pauseMs = FIRST_PAUSE_MS;
      // for what was announced before
      this.#heard(undefined);
    } catch {
      this.#broken();
    }
  }

  readonly #notified = ({ channel, payload }: PostgresNotification): void => {
    if (channel === this.#channel) this.#heard(payload);
  };

  readonly #broken = (): void => {
    if (this.#connection !== undefined) this.#leave(this.#connection, true);
    if (this.#disposed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#connecting = this.#connect();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  };

  #leave(connection: PostgresConnection, destroy: boolean): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    connection.removeListener('error', this.#broken);
    connection.removeListener('notification', this.#notified);
    // a connection that ends may complain once more
    if (destroy) connection.on('error', () => {});
    connection.release(destroy);
  }
}
