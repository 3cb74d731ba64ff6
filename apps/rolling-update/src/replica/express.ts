/** A replica on Express, without Holdfast. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import express from 'express';
import type { Backlog } from './backlog.ts';
import type { Started } from './started.ts';
import type { Item } from './work.ts';

/** Starts it. */
export async function startExpress(backlog: Backlog): Promise<Started> {
  const app = express();
  app.get('/readyz', (_req, res) => {
    res.end();
  });
  app.post('/items', express.json(), async (req, res) => {
    const { id } = req.body as Item;
    await backlog.accept(id);
    res.status(202).end();
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const closed = promisify(server.close.bind(server));
  const cleanUp = (): Promise<void> => backlog.idle();
  return { server, cleanUp, close: () => closed().then(cleanUp) };
}
