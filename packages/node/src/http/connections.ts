/**
 * The HTTP/1 connections of a server, and how each of them leaves: told by `Connection: close` on whatever response comes next,
 * ended when it has nothing to do, cut at the end. The trap: a connection that has begun to send a request looks idle to Node.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { askToLeave } from './ask-to-leave.ts';
import type { Exchange, InFlight } from './in-flight.ts';
import { whenResponseEnds } from './response-end.ts';

/** How long the body of a request may stand still once the server is closed. */
const STALL_LIMIT_MS = 5_000;

const TIMED_OUT = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

class Connection {
  readonly socket: Socket;
  /** How many requests it has in flight. */
  active = 0;
  upgraded = false;
  /** How many bytes had come when it last had nothing to do: one more, and it has begun to send a request. */
  idleAt = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  get idle(): boolean {
    return !this.upgraded && this.active === 0 && this.socket.bytesRead === this.idleAt;
  }
}

/** A request in flight. */
class HttpExchange implements Exchange {
  counted = false;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
  }

  cut(): void {
    this.request.socket.destroy();
  }
}

/** All HTTP/1 connections of one server. */
export class Connections {
  readonly #inFlight: InFlight;
  readonly #open: Map<Socket, Connection> = new Map<Socket, Connection>();
  #leaving = false;
  #closed = false;

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A client has connected. */
  accept(socket: Socket): Connection {
    const known = this.#open.get(socket);
    if (known !== undefined) return known;
    const connection = new Connection(socket);
    this.#open.set(socket, connection);
    socket.once('close', () => this.#open.delete(socket));
    return connection;
  }

  /** A request has come. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.accept(request.socket);
    const exchange = new HttpExchange(request, response);
    connection.active += 1;
    this.#inFlight.begin(exchange);
    whenResponseEnds(response, (finished) => {
      connection.active -= 1;
      connection.idleAt = connection.socket.bytesRead;
      this.#inFlight.end(exchange, finished);
      // Node looks for the next request on this connection before the immediates run
      if (this.#closed) setImmediate(() => endIfIdle(connection));
    });
    if (this.#leaving) askToLeave(response);
    if (this.#closed) this.#watchBody(exchange);
  }

  /** A client speaks another protocol from here on. */
  upgrade(socket: Socket): void {
    this.accept(socket).upgraded = true;
    const exchange: Exchange = { counted: false, cut: () => socket.destroy() };
    this.#inFlight.begin(exchange);
    socket.once('close', (hadError) => this.#inFlight.end(exchange, !hadError));
  }

  /** From now on every response asks its client to leave, also those of requests that came before. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    for (const exchange of this.#requests()) askToLeave(exchange.response);
  }

  /** Ends what has nothing to do, and from now on whatever has nothing to do any more. */
  close(): void {
    this.leave();
    this.#closed = true;
    for (const connection of this.#open.values()) endIfIdle(connection);
    for (const exchange of this.#requests()) this.#watchBody(exchange);
  }

  /** Cuts every connection. */
  destroy(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #requests(): readonly HttpExchange[] {
    return [...this.#inFlight.exchanges].filter((exchange) => exchange instanceof HttpExchange);
  }

  /** Ends a request whose body has stopped coming. */
  #watchBody(exchange: HttpExchange): void {
    const { request, response } = exchange;
    if (request.complete) return;
    let seen = request.socket.bytesRead;
    const timer = setInterval(() => {
      if (request.complete || request.socket.bytesRead > seen) {
        seen = request.socket.bytesRead;
        return;
      }
      clearInterval(timer);
      this.#inFlight.lose(exchange);
      if (response.headersSent) exchange.cut();
      else request.socket.end(TIMED_OUT, () => exchange.cut());
    }, STALL_LIMIT_MS).unref();
    whenResponseEnds(response, () => clearInterval(timer));
  }
}

function endIfIdle(connection: Connection): void {
  if (connection.idle) connection.socket.destroySoon();
}
