/**
 * Listens on one channel with a connection of the pool, and gets another one when that breaks. It is a hint and no more: what is
 * announced while there is no connection is found by looking.
 */
import {
  ask,
  borrow,
  type PostgresConnection,
  type PostgresNotification,
  type PostgresPool,
} from '../postgres/postgres-client.ts';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** One channel's listener. Disposing lets go of its connection, which takes no answer of the server. */
export class PostgresListener implements Disposable {
  readonly #pool: PostgresPool;
  readonly #channel: string;
  readonly #timeoutMs: number;
  readonly #heard: (payload: string | undefined) => void;
  #connection: PostgresConnection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #disposed = false;

  /** The server has `timeoutMs` for each answer. */
  constructor(
    pool: PostgresPool,
    channel: string,
    timeoutMs: number,
    heard: (payload: string | undefined) => void,
  ) {
    this.#pool = pool;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
    this.#heard = heard;
  }

  /** Begins; nobody needs to wait for it. */
  start(): void {
    void this.#connect();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    // one that listens is of no use to others, and one that is given back would have to be told first
    if (this.#connection !== undefined) this.#leave(this.#connection);
  }

  async #connect(): Promise<void> {
    try {
      const connection = await borrow(this.#pool, this.#broken, this.#timeoutMs);
      if (this.#disposed) {
        connection.removeListener('error', this.#broken);
        connection.release();
        return;
      }
      this.#connection = connection;
      connection.on('notification', this.#notified);
      await ask(connection, this.#timeoutMs, `LISTEN ${this.#channel}`);
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
    if (this.#connection !== undefined) this.#leave(this.#connection);
    if (this.#disposed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#connect();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  };

  #leave(connection: PostgresConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    connection.removeListener('error', this.#broken);
    connection.removeListener('notification', this.#notified);
    // a connection that ends may complain once more
    connection.on('error', () => {});
    connection.release(true);
  }
}
