/**
 * Makes a server leave without losing a request: its clients are told to go while it still serves them, then it stops listening,
 * finishes what it has, and cuts what is left. Call it before the server accepts its first connection.
 */
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server as HttpsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import { Server as TlsServer, type TLSSocket } from 'node:tls';
import type { Component, DrainOptions, DrainReport, RequestCounts, Service, Stats } from '@holdfast/core';
import {
  checkName,
  checkOneOf,
  checkOptionalFunction,
  checkOptions,
  invalidType,
  linkAbort,
  markLate,
  unlinkAbort,
  type AbortListener,
} from '@holdfast/core/internal';
import { Connections } from './connections.ts';
import { InFlight } from './in-flight.ts';
import { isHealthRoute, pathOf, refuseRequest, refuseStream, refuseUpgrade } from './late-request.ts';
import { Sessions } from './sessions.ts';

/** A server of Node's own. */
export type AnyServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer;

/** How a server is drained. */
export interface DrainServerOptions {
  /** Names the server among the components of its service. @default 'http' */
  readonly name?: string | undefined;
  /** Names of what its requests need: that is closed after it. */
  readonly dependsOn?: readonly string[] | undefined;
  /**
   * What becomes of requests that come on open connections after the server has stopped listening: a 503 that asks the client to
   * leave, or an answer of the application that does. @default 'reject'
   */
  readonly late?: 'reject' | 'serve' | undefined;
  /** Whether requests for a path are served to the end. @default the health routes: `…/livez`, `…/startupz`, `…/readyz`, `…/metrics` */
  readonly exempt?: ((path: string) => boolean) | undefined;
}

const drained = new WeakMap<AnyServer, Service>();

/**
 * Puts `server` under the care of `service`. Over HTTP/1, every response asks its client to leave (`Connection: close`) from the
 * first moment of a shutdown; at the intake phase the server stops listening and ends what has nothing to do; at the end of the
 * drain it cuts what is left, and counts it. Over HTTP/2 sessions are closed (GOAWAY) at the intake phase. Disposing the handle
 * takes the server out of the service's hands.
 *
 * @throws TypeError, RangeError on bad options, and where the name is taken.
 */
export function drainServer(
  service: Service,
  server: AnyServer,
  options: DrainServerOptions = {},
): Disposable {
  checkOptions('options', options, ['name', 'dependsOn', 'late', 'exempt']);
  const { name = 'http', dependsOn, late = 'reject', exempt } = options;
  if (!(server instanceof NetServer))
    throw invalidType('server', 'a server of node:http, https or http2', server);
  checkOptionalFunction('exempt', exempt);
  const drain = new ServerDrain(service, server, {
    name: checkName('name', name),
    late: checkOneOf('late', late, ['reject', 'serve']),
    exempt: exempt ?? isHealthRoute,
  });
  service.own(drain, { dependsOn });
  drain.install();
  drained.set(server, service);
  return { [Symbol.dispose]: () => drain.uninstall() };
}

/** Whether `server` was given to `drainServer`, with this service. */
export function isDrained(service: Service, server: AnyServer): boolean {
  return drained.get(server) === service;
}

interface Settings {
  readonly name: string;
  readonly late: 'reject' | 'serve';
  readonly exempt: (path: string) => boolean;
}

class ServerDrain implements Component {
  readonly name: string;
  readonly #service: Service;
  readonly #server: AnyServer;
  readonly #settings: Settings;
  readonly #inFlight: InFlight = new InFlight();
  readonly #connections: Connections = new Connections(this.#inFlight);
  readonly #sessions: Sessions = new Sessions(this.#inFlight);
  /** Sockets that have not said in TLS which protocol they speak, by their remote end. */
  readonly #handshakes: Map<string, Socket> = new Map<string, Socket>();
  readonly #leave: AbortListener = { onAbort: () => this.#connections.leave() };
  #ended: Promise<void> | undefined;
  #closed = false;
  #released = false;

  constructor(service: Service, server: AnyServer, settings: Settings) {
    this.name = settings.name;
    this.#service = service;
    this.#server = server;
    this.#settings = settings;
  }

  /** Looks at everything the server emits before anybody else does. */
  install(): void {
    const server: NetServer = this.#server;
    const emit = server.emit.bind(server);
    server.emit = (event: string | symbol, ...args: readonly unknown[]): boolean =>
      this.#seen(event, args) || emit(event, ...args);
    const lameDuck = this.#service.signalAt('lame-duck');
    if (lameDuck.aborted) this.#connections.leave();
    else linkAbort(lameDuck, this.#leave);
  }

  /** Looks no more, and leaves the server alone from now on. */
  uninstall(): void {
    this.#released = true;
    Reflect.deleteProperty(this.#server, 'emit');
    unlinkAbort(this.#service.signalAt('lame-duck'), this.#leave);
    drained.delete(this.#server);
  }

  /** Stops listening, and sends away who has nothing to do. */
  close(): void {
    if (this.#closed || this.#released) return;
    this.#closed = true;
    this.#inFlight.count();
    this.#stopListening();
    for (const socket of this.#handshakes.values()) socket.destroy();
    this.#connections.close();
    this.#sessions.close();
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#inFlight.drain(options);
  }

  /** Cuts what is left. The service does this last, so that requests that were aborted can still be answered. */
  cancel(): void {
    if (!this.#released) this.#inFlight.cut();
  }

  requests(): RequestCounts {
    return this.#inFlight.counts;
  }

  stats(): Stats {
    return { connections: this.#connections.size + this.#sessions.size, inFlight: this.#inFlight.size };
  }

  /** Cuts everything, and waits until the server has closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#released) return;
    this.close();
    this.#inFlight.cut();
    this.#connections.destroy();
    this.#sessions.destroy();
    await this.#ended;
  }

  /** `http.Server.close` would cut answers that were ended and not yet read, and stop the time-outs of slow requests. */
  #stopListening(): void {
    if (!this.#server.listening) return;
    this.#ended = new Promise((resolve) => {
      NetServer.prototype.close.call(this.#server, () => resolve());
    });
  }

  /** Looks at an event; true keeps it from everybody else. */
  #seen(event: string | symbol, args: readonly unknown[]): boolean {
    const [first, second] = args;
    switch (event) {
      case 'listening':
        if (this.#closed) this.#stopListening();
        return false;
      case 'connection':
        this.#connected(first as Socket);
        return false;
      case 'secureConnection':
        this.#secured(first as TLSSocket);
        return false;
      case 'session':
        this.#sessions.accept(first as ServerHttp2Session);
        return false;
      case 'request':
      case 'checkContinue':
      case 'checkExpectation':
        return this.#requested(first as IncomingMessage, second as ServerResponse, event === 'request');
      case 'stream':
        return this.#streamed(first as ServerHttp2Stream, second as Readonly<Record<string, unknown>>);
      case 'upgrade':
      case 'connect':
        return this.#upgraded(event, first as IncomingMessage);
      default:
        return false;
    }
  }

  #connected(socket: Socket): void {
    if (this.#server instanceof TlsServer) {
      const key = remoteEnd(socket);
      this.#handshakes.set(key, socket);
      socket.once('close', () => this.#handshakes.delete(key));
    } else if (this.#server instanceof HttpServer) {
      this.#connections.accept(socket);
    }
  }

  #secured(socket: TLSSocket): void {
    this.#handshakes.delete(remoteEnd(socket));
    if (socket.alpnProtocol !== 'h2') this.#connections.accept(socket);
  }

  #requested(request: IncomingMessage, response: ServerResponse, bodyComes: boolean): boolean {
    if (request.httpVersionMajor > 1) return false; // its stream was seen
    this.#connections.begin(request, response);
    if (!this.#isRefused(request)) return false;
    this.#inFlight.reject();
    refuseRequest(this.#service.name, request, response, bodyComes);
    return true;
  }

  #isRefused(request: IncomingMessage): boolean {
    if (!this.#closed || this.#settings.exempt(pathOf(request.url))) return false;
    if (this.#settings.late === 'reject') return true;
    markLate(request);
    return false;
  }

  #streamed(stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>): boolean {
    this.#sessions.begin(stream);
    if (
      !this.#closed ||
      this.#settings.late === 'serve' ||
      this.#settings.exempt(pathOf(String(headers[':path'])))
    )
      return false;
    this.#inFlight.reject();
    refuseStream(this.#service.name, stream);
    return true;
  }

  #upgraded(event: 'upgrade' | 'connect', request: IncomingMessage): boolean {
    if (this.#server.listenerCount(event) === 0) return false;
    this.#connections.upgrade(request.socket);
    if (!this.#closed || this.#settings.late === 'serve') return false;
    this.#inFlight.reject();
    refuseUpgrade(this.#service.name, request.socket);
    return true;
  }
}

function remoteEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
