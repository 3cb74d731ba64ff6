/**
 * What the suite asks of an adapter: start a server with these routes, the way its README tells a user to. A route is written once,
 * free of any framework; the adapter's own code turns it into a native handler, so that everything around it is native too.
 */
import type { Awaitable, RequestScope, Service, ServiceOptions } from '@holdfast/core';

/** What a route is given. */
export interface Call {
  /** The scope, as the adapter hands it to handlers. */
  readonly scope: RequestScope;
  /** The parsed JSON body, where the request had one. */
  readonly body: unknown;
}

/** What a route answers with status 200: a JSON value, or text sent piece by piece. */
export type Reply = { readonly json: unknown } | { readonly stream: AsyncIterable<string> };

/** One route. */
export type Handler = (call: Call) => Awaitable<Reply>;

/** Handlers by method and path: `'GET /hello'`. */
export type Routes = Readonly<Record<string, Handler>>;

/** What a server is started with. */
export interface ServerOptions {
  readonly service: ServiceOptions;
  readonly routes: Routes;
  /** The server's own limit on every request. */
  readonly timeoutMs?: number | undefined;
  /** Paths that an overloaded service serves. */
  readonly exempt?: ((path: string) => boolean) | undefined;
  /** Called with the service before it starts. */
  readonly prepare?: ((service: Service) => void) | undefined;
}

/** A server that listens on 127.0.0.1. */
export interface RunningServer {
  readonly service: Service;
  readonly port: number;
}

/** One adapter under test. */
export interface Framework {
  /** Starts a server with scopes, problem details and health routes, whose shutdown does not end this process. */
  start(options: ServerOptions): Promise<RunningServer>;
  /** An error by which this framework's users answer with a status of their own. */
  httpError(status: number): unknown;
}

/** Splits `'GET /hello'`. */
export function parseRoute(route: string): { readonly method: 'get' | 'post'; readonly path: string } {
  const [method = '', path = '/'] = route.split(' ');
  return { method: method === 'POST' ? 'post' : 'get', path };
}
