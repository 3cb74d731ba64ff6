/** A replica on Express with Holdfast. */
import type { Server } from 'node:http';
import {
  BoundedQueue,
  Service,
  getScope,
  healthRoutes,
  holdfast,
  listen,
  problemDetails,
  type ShutdownOptions,
} from '@holdfast/express';
import express from 'express';
import { beforeAccepting, CAPACITY, CONCURRENCY, type Item } from './work.ts';

/** Starts it. */
export function startHoldfastExpress(
  processItem: (id: string) => Promise<void>,
  shutdown: ShutdownOptions,
): Promise<Server> {
  const service = new Service({ name: 'replica', shutdown });
  const items = service.own(new BoundedQueue<string>({ name: 'items', capacity: CAPACITY }));
  items.consume(processItem, { concurrency: CONCURRENCY });

  const app = express().use(healthRoutes(service), holdfast({ service }), express.json());
  app.post('/items', async (req, res) => {
    const { id } = req.body as Item;
    await beforeAccepting();
    await items.put(id, getScope(res));
    res.status(202).end();
  });
  app.use(problemDetails());
  return listen(app, { service, port: 0, host: '127.0.0.1' });
}
