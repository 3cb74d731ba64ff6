/** The relay as an Express app. */
import { getScope, healthRoutes, holdfast, problemDetails } from '@holdfast/express';
import { problem, requestOf, type Answer, type Relay } from '@holdfast-app/relay';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';

/** Mounts health, scope, the routes, and what answers everything else. */
export function relayApp(relay: Relay): Express {
  const app = express().disable('x-powered-by').enable('case sensitive routing').enable('strict routing');
  app.use(healthRoutes(relay.service));
  app.use(holdfast({ service: relay.service, timeoutMs: relay.config.requestTimeoutMs }));
  for (const { method, path, handle } of relay.routes) {
    const handler: RequestHandler = async (req, res) =>
      send(res, await handle(requestOf(req), getScope(res)));
    if (method === 'GET') app.get(path, handler);
    else app.post(path, handler);
  }
  app.use((req) => {
    throw relay.notServed(requestOf(req));
  });
  app.use(problemDetails(), otherErrors);
  return app;
}

/** What is not Holdfast's: the relay's own refusals, and paths that Express cannot decode. */
const otherErrors: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) next(error);
  else send(res, problem(error));
};

function send(res: Response, { status, headers, body }: Answer): void {
  res.status(status).set(headers).end(body);
}
