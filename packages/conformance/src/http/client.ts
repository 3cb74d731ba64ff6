/**
 * A plain HTTP client: it reports what came over the wire, connection headers included, and rejects when an answer breaks off.
 */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

/** A complete answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body, parsed. */
  json(): unknown;
}

/** How a request is sent. */
export interface SendOptions {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Connections to reuse; without one the connection is closed after the answer. */
  readonly agent?: Agent | undefined;
  /** Breaks the connection. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece of the body as it arrives. */
  readonly onData?: ((text: string) => void) | undefined;
}

/** Sends one request to 127.0.0.1 and reads the whole answer. */
export function send(port: number, path: string, options: SendOptions = {}): Promise<Answer> {
  const {
    method = options.body === undefined ? 'GET' : 'POST',
    headers = {},
    body,
    agent,
    signal,
    onData,
  } = options;
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const outgoing = httpRequest(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        agent: agent ?? false,
        headers: payload === undefined ? headers : { 'content-type': 'application/json', ...headers },
        ...(signal === undefined ? {} : { signal }),
      },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (piece: string) => {
          text += piece;
          onData?.(piece);
        });
        incoming.on('error', reject);
        incoming.on('end', () => {
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text,
            json: () => JSON.parse(text) as unknown,
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

/** A client that keeps its one connection for as long as the server lets it. */
export function keepAliveAgent(): Agent & Disposable {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}

/** A connection on which bytes are written by hand; `received` is everything that came back once the server has closed it. */
export interface RawConnection {
  write(text: string): Promise<void>;
  readonly received: Promise<string>;
  /** Breaks it. */
  leave(): void;
}

/** Opens a connection to 127.0.0.1. */
export function openConnection(port: number): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (piece: string) => (text += piece));
    const received = new Promise<string>((settle) => socket.on('close', () => settle(text)));
    socket.once('error', reject);
    socket.once('connect', () =>
      resolve({
        write: (bytes) => new Promise((written) => socket.write(bytes, () => written())),
        received,
        leave: () => socket.destroy(),
      }),
    );
  });
}
