/** A replica on Hono's own server for Node, without Holdfast. */
import { once } from 'node:events';
import { Server } from 'node:http';
import { promisify } from 'node:util';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { Backlog } from './backlog.ts';
import type { Started } from './started.ts';
import type { Item } from './work.ts';

/** Starts it. */
export async function startHono(backlog: Backlog): Promise<Started> {
  const app = new Hono();
  app.get('/readyz', (c) => c.body(null));
  app.post('/items', async (c) => {
    const { id } = await c.req.json<Item>();
    await backlog.accept(id);
    return c.body(null, 202);
  });
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  if (!(server instanceof Server)) throw new TypeError('serve() starts a server of node:http');
  await once(server, 'listening');

  const closed = promisify(server.close.bind(server));
  const cleanUp = (): Promise<void> => backlog.idle();
  return { server, cleanUp, close: () => closed().then(cleanUp) };
}
