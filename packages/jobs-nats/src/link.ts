/**
 * The connection of one driver. The client reconnects by itself and would keep requests until their time-outs; here whoever asks while
 * it is down is refused at once, and whoever has asked when it goes down learns at once that the answer is lost.
 */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { EngineUnavailableError } from '@holdfast/core';
import { linkAbort, reportError, unlinkAbort } from '@holdfast/core/internal';
import { connectTo } from './client.ts';
import type { Location } from './location.ts';
import { AnswerLostError } from './nats-errors.ts';
import { readVersion, type Version } from './version.ts';

/** How long a last message may take to leave, in milliseconds. */
const FLUSH_MS = 1_000;

/** The connected client. */
export interface Client {
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly newHeaders: () => MsgHdrs;
  readonly newInbox: () => string;
}

/** A connection that knows whether it is up. */
export class Link {
  readonly client: Client;
  readonly #asking: Set<(error: Error) => void> = new Set<(error: Error) => void>();
  readonly #changes: Set<() => void> = new Set<() => void>();
  #up = true;
  #closed = false;

  private constructor(client: Client) {
    this.client = client;
    this.#watch().catch(reportError);
  }

  /** @throws EngineUnavailableError, UnsupportedError (as rejections) */
  static async open(location: Location, signal: AbortSignal | undefined): Promise<Link> {
    const client = await connectTo(location);
    if (signal?.aborted) {
      await client.connection.close();
      throw signal.reason;
    }
    return new Link(client);
  }

  get up(): boolean {
    return this.#up && !this.#closed;
  }

  /** Of the server that is connected, or was last. */
  get version(): Version {
    return readVersion(this.client.connection.info?.version ?? '');
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Asks, while the connection is up.
   *
   * @throws EngineUnavailableError where it is down: not asked. AnswerLostError where it went down: perhaps done.
   */
  ask<T>(request: () => Promise<T>): Promise<T> {
    if (!this.up) return Promise.reject(this.#downError());
    return new Promise<T>((resolve, reject) => {
      this.#asking.add(reject);
      request()
        .then(resolve, reject)
        .finally(() => this.#asking.delete(reject));
    });
  }

  /** Calls `changed` whenever the connection comes up or is closed, until the result is disposed of. */
  watch(changed: () => void): Disposable {
    this.#changes.add(changed);
    return { [Symbol.dispose]: () => void this.#changes.delete(changed) };
  }

  /** Resolves when the connection is up; rejects when it is closed, when `signal` aborts, or after `maxMs`. */
  async whenUp(signal: AbortSignal | undefined, maxMs: number): Promise<void> {
    if (this.up) return;
    signal?.throwIfAborted();
    if (this.#closed) throw this.#downError();
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        watching[Symbol.dispose]();
        if (signal !== undefined) unlinkAbort(signal, aborted);
        if (this.up) resolve();
        else reject(signal?.aborted ? signal.reason : this.#downError());
      };
      const aborted = { onAbort: settle };
      const watching = this.watch(settle);
      const timer = setTimeout(settle, maxMs);
      // one listener for all jobs of a batch
      if (signal !== undefined) linkAbort(signal, aborted);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const { connection } = this.client;
    if (this.up) await atMost(connection.flush(), FLUSH_MS);
    this.#closed = true;
    this.#went();
    this.#tell();
    await connection.close();
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.client.connection.status()) {
      if (type === 'disconnect') {
        this.#up = false;
        this.#went();
      } else if (type === 'reconnect') {
        this.#up = true;
        this.#tell();
      }
    }
  }

  #went(): void {
    for (const reject of this.#asking)
      reject(new AnswerLostError('The connection went down before the answer'));
    this.#asking.clear();
  }

  #tell(): void {
    for (const changed of Array.from(this.#changes)) changed();
  }

  #downError(): Error {
    return new EngineUnavailableError(this.#closed ? 'The NATS driver is not open' : 'NATS: disconnected');
  }
}

async function atMost(work: Promise<void>, maxMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, maxMs);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}
