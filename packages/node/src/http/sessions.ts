/** The HTTP/2 sessions of a server. Each is told that no more streams are taken (GOAWAY), finishes those it has, and ends. */
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Exchange, InFlight } from './in-flight.ts';

/** All HTTP/2 sessions of one server. */
export class Sessions {
  readonly #inFlight: InFlight;
  readonly #open: Set<ServerHttp2Session> = new Set<ServerHttp2Session>();
  #closed = false;

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A client has connected. */
  accept(session: ServerHttp2Session): void {
    this.#open.add(session);
    session.once('close', () => this.#open.delete(session));
    if (this.#closed) session.close();
  }

  /** A request has come. */
  begin(stream: ServerHttp2Stream): void {
    const exchange: Exchange = { counted: false, cut: () => stream.session?.destroy() };
    this.#inFlight.begin(exchange);
    stream.once('close', () => this.#inFlight.end(exchange, stream.rstCode === 0 && stream.headersSent));
  }

  /** Takes no more streams. */
  close(): void {
    this.#closed = true;
    for (const session of this.#open) session.close();
  }

  /** Cuts every session. */
  destroy(): void {
    for (const session of this.#open) session.destroy();
  }
}
