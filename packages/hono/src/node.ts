/**
 * A Hono app as a Node service: start, signals, drain, report, exit code. Everything of `@holdfast/node` is exported here too.
 */
import { createServer, type Server } from 'node:http';
import type { ListenOptions } from '@holdfast/node';
import { listenServer } from '@holdfast/node/internal';
import { getRequestListener } from '@hono/node-server';

export * from '@holdfast/node';

/** What answers requests: a Hono app, or anything else with its `fetch`. */
export interface FetchApp {
  fetch(request: Request, ...rest: never[]): Response | Promise<Response>;
}

/**
 * Starts the service, listens, and drains both when the process is told to end.
 *
 * @example
 * await listen(app, { service, port: 3000 });
 */
export function listen(app: FetchApp, options: ListenOptions): Promise<Server> {
  const listener = getRequestListener((request, bindings) => app.fetch(request, bindings as never), {
    hostname: 'localhost', // for clients of HTTP/1.0, health checks among them, which need not name a host
  });
  return listenServer(createServer(listener), options);
}
