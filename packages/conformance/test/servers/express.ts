/** The suite's routes on Express, put together as the README of @holdfast/express says. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Service, getScope, healthRoutes, holdfast, listen, problemDetails } from '@holdfast/express';
import { parseRoute, type Framework } from '@holdfast/conformance';
import express from 'express';
import { portOf } from './port.ts';

export const onExpress: Framework = {
  async start({ service: options, routes, timeoutMs, exempt, prepare }) {
    const service = new Service(options);
    prepare?.(service);
    const app = express();
    app.set('env', 'test'); // else Express prints every error it handles
    app.use(healthRoutes(service));
    app.use(holdfast({ service, timeoutMs, exempt }));
    app.use(express.json({ limit: '1mb' }));
    for (const [route, handler] of Object.entries(routes)) {
      const { method, path } = parseRoute(route);
      app[method](path, async (req, res) => {
        const reply = await handler({ scope: getScope(res), body: req.body as unknown });
        if ('json' in reply) res.json(reply.json);
        else await pipeline(Readable.from(reply.stream), res);
      });
    }
    app.use(problemDetails());
    const server = await listen(app, { service, port: 0, host: '127.0.0.1', signals: [], exit: 'none' });
    return { service, port: portOf(server) };
  },

  httpError: (status) => Object.assign(new Error(`status ${status}`), { status }),
};
