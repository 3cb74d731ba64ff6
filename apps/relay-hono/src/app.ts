/** The relay as a Hono app for Node. */
import { healthRoutes, holdfast, problemDetails, type HoldfastEnv } from '@holdfast/hono';
import { pathOf, problem, requestOf, type Answer, type Relay } from '@holdfast-app/relay';
import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';

/** What the app finds in its context: the scope, and Node's own request and response. */
export type RelayEnv = HoldfastEnv & { Bindings: HttpBindings };

/** Mounts health, scope, the routes, and what answers everything else. */
export function relayApp(relay: Relay): Hono<RelayEnv> {
  const app = new Hono<RelayEnv>({ getPath: sentPath });
  app.route('/', healthRoutes(relay.service));
  app.use(holdfast({ service: relay.service, timeoutMs: relay.config.requestTimeoutMs }));
  for (const { method, path, handle } of relay.routes)
    app.on(method, path, async (c) => respond(await handle(requestOf(c.env.incoming), c.var.holdfast)));
  app.notFound((c) => respond(problem(relay.notServed(requestOf(c.env.incoming)))));
  app.onError(problemDetails((error) => respond(problem(error))));
  return app;
}

function respond({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers });
}

/** The path as it was sent: that of a Request is normalised, so it may be another one. */
function sentPath(request: Request, options?: { readonly env?: HttpBindings }): string {
  const incoming = options?.env?.incoming;
  return incoming === undefined ? new URL(request.url).pathname : pathOf(requestOf(incoming));
}
