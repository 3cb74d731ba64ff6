/** The relay as a Hono app for Node. */
import { healthRoutes, holdfast, problemDetails, type HoldfastEnv } from '@holdfast/hono';
import { problem, requestOf, type Answer, type Relay } from '@holdfast-app/relay';
import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';

/** Mounts health, scope, the routes, and what answers everything else. */
export function relayApp({
  service,
  config,
  routes,
  notServed,
}: Relay): Hono<HoldfastEnv & { Bindings: HttpBindings }> {
  const app = new Hono<HoldfastEnv & { Bindings: HttpBindings }>();
  app.route('/', healthRoutes(service));
  app.use(holdfast({ service, timeoutMs: config.requestTimeoutMs }));
  for (const { method, path, handle } of routes)
    app.on(method, path, async (c) => respond(await handle(requestOf(c.env.incoming), c.var.holdfast)));
  app.notFound((c) => respond(problem(notServed(requestOf(c.env.incoming)))));
  app.onError(problemDetails((error) => respond(problem(error))));
  return app;
}

function respond({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers });
}
