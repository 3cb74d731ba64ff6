/// <reference lib="esnext.disposable" />
/** A subscriber on a real socket that a test can make slow, failing, or silent, and that remembers what it was sent. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that arrived. */
export interface Arrival {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the subscriber says to an arrival; a promise holds the answer back. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Decides the answer; `count` is how many arrivals with this id there were, this one included. */
export type Answerer = (arrival: Arrival, count: number) => Answer | Promise<Answer>;

/** An HTTP server that counts by `Idempotency-Key`. */
export class Subscriber implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  readonly url: string;
  /** Called at every arrival, after it was recorded. */
  answer: Answerer;
  readonly #server: Server;
  readonly #watchers: Set<() => void> = new Set();

  private constructor(server: Server, answer: Answerer) {
    this.#server = server;
    this.answer = answer;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  }

  /** Listens on a free port; the default answer is 204. */
  static async listen(answer: Answerer = () => ({ status: 204 })): Promise<Subscriber> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const subscriber = new Subscriber(server, answer);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.once('end', () => {
        const arrival = {
          id: String(request.headers['idempotency-key'] ?? ''),
          method: String(request.method),
          path: String(request.url),
          headers: request.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        };
        subscriber.arrivals.push(arrival);
        const count = subscriber.of(arrival.id).length;
        for (const told of subscriber.#watchers) told();
        void subscriber.#reply(arrival, count, response);
      });
    });
    return subscriber;
  }

  /** The origin, as `/stats` names its breaker. */
  get origin(): string {
    return new URL(this.url).origin;
  }

  /** Arrivals with this id. */
  of(id: string): readonly Arrival[] {
    return this.arrivals.filter((arrival) => arrival.id === id);
  }

  /** Every id that arrived, once. */
  get ids(): ReadonlySet<string> {
    return new Set(this.arrivals.map((arrival) => arrival.id));
  }

  /** Resolves once `condition` holds after some arrival. */
  async until(condition: (subscriber: this) => boolean): Promise<void> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => {
        const told = (): void => {
          this.#watchers.delete(told);
          resolve();
        };
        this.#watchers.add(told);
      });
    }
  }

  async #reply(arrival: Arrival, count: number, response: ServerResponse): Promise<void> {
    const { status, headers = {} } = await this.answer(arrival, count);
    if (!response.destroyed) response.writeHead(status, headers).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** An answer that is given when the test says so. */
export class Gate {
  open!: () => void;
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.open = resolve;
  });

  /** Holds every answer until the gate opens. */
  answerer(status = 204): Answerer {
    return async () => {
      await this.opened;
      return { status };
    };
  }
}
