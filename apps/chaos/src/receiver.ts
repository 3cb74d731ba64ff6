/// <reference lib="esnext.disposable" />
/**
 * The subscriber: it fails by a sequence that the seed decides, never more than five times in a row for one event, with an answer
 * or by dropping the connection, and counts what it has taken by `Idempotency-Key`.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { random, type Random } from './random.ts';

const MOST_FAILURES = 5;
const FAILING = 0.15;
const STATUSES = [503, 500, 429, undefined];

/** A listening subscriber. */
export class Receiver implements AsyncDisposable {
  readonly url: string;
  /** How many calls each event has yet to fail. */
  readonly #failures = new Map<string, number>();
  readonly #taken = new Map<string, number>();
  readonly #numbers: Random;
  readonly #server: Server;
  #refused = 0;

  private constructor(server: Server, seed: number) {
    this.#server = server;
    this.#numbers = random(seed);
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', (request, response) => this.#serve(request, response));
  }

  /** Listens on a free port. */
  static async listen(seed: number): Promise<Receiver> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Receiver(server, seed);
  }

  /** Decides how often each of these events fails. */
  plan(ids: readonly string[]): void {
    for (const id of ids) {
      const fails = this.#numbers() < FAILING;
      this.#failures.set(id, fails ? 1 + Math.floor(this.#numbers() * MOST_FAILURES) : 0);
    }
  }

  /** Whether the event was taken. */
  has(id: string): boolean {
    return this.#taken.has(id);
  }

  /** How many events were taken. */
  get unique(): number {
    return this.#taken.size;
  }

  /** How many calls came for an event that had been taken. */
  get duplicates(): number {
    let count = 0;
    for (const times of this.#taken.values()) count += times - 1;
    return count;
  }

  /** How many calls were made to fail. */
  get refused(): number {
    return this.#refused;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const id = String(request.headers['idempotency-key']);
    request.resume().once('end', () => {
      const left = this.#failures.get(id) ?? 0;
      if (left === 0) {
        this.#taken.set(id, (this.#taken.get(id) ?? 0) + 1);
        response.writeHead(204).end();
        return;
      }
      this.#failures.set(id, left - 1);
      this.#refused += 1;
      const status = STATUSES[left % STATUSES.length];
      if (status === undefined) response.destroy();
      else response.writeHead(status).end();
    });
  }
}
