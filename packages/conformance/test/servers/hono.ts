/** The suite's routes on Hono and Node, put together as the README of @holdfast/hono says. */
import { Readable } from 'node:stream';
import { Service, healthRoutes, holdfast, problemDetails } from '@holdfast/hono';
import { listen } from '@holdfast/hono/node';
import { parseRoute, type Framework } from '@holdfast/conformance';
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { portOf } from './port.ts';

export const onHono: Framework = {
  async start({ service: options, routes, timeoutMs, exempt, prepare }) {
    const service = new Service(options);
    prepare?.(service);
    const app = new Hono().use(holdfast({ service, timeoutMs, exempt }));
    for (const [route, handler] of Object.entries(routes)) {
      const { method, path } = parseRoute(route);
      app[method](path, async (c) => {
        const body: unknown = method === 'post' ? await c.req.json() : undefined;
        const reply = await handler({ scope: c.var.holdfast, body });
        if ('json' in reply) return c.json(reply.json as object);
        return c.body(
          Readable.toWeb(
            Readable.from(reply.stream).map((piece: string) => Buffer.from(piece)),
          ) as ReadableStream,
        );
      });
    }
    app.onError(problemDetails());
    app.route('/', healthRoutes(service));
    const server = await listen(app, { service, port: 0, host: '127.0.0.1', signals: [], exit: 'none' });
    return { service, port: portOf(server) };
  },

  httpError: (status) => new HTTPException(status as ContentfulStatusCode),
};
