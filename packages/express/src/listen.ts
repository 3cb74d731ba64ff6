/** An Express app as a service: start, signals, drain, report, exit code. */
import { createServer, type Server } from 'node:http';
import type { ListenOptions } from '@holdfast/node';
import { listenServer } from '@holdfast/node/internal';
import type { Express } from 'express';

/**
 * Starts the service, listens, and drains both when the process is told to end.
 *
 * @example
 * await listen(app, { service, port: 3000 });
 */
export function listen(app: Express, options: ListenOptions): Promise<Server> {
  return listenServer(createServer(app), options);
}
