/** A replica on Hono with Holdfast. */
import type { Server } from 'node:http';
import {
  BoundedQueue,
  Service,
  healthRoutes,
  holdfast,
  problemDetails,
  type ShutdownOptions,
} from '@holdfast/hono';
import { listen } from '@holdfast/hono/node';
import { Hono } from 'hono';
import { beforeAccepting, CAPACITY, CONCURRENCY, type Item } from './work.ts';

/** Starts it. */
export function startHoldfastHono(
  processItem: (id: string) => Promise<void>,
  shutdown: ShutdownOptions,
): Promise<Server> {
  const service = new Service({ name: 'replica', shutdown });
  const items = service.own(new BoundedQueue<string>({ name: 'items', capacity: CAPACITY }));
  items.consume(processItem, { concurrency: CONCURRENCY });

  const app = new Hono().route('/', healthRoutes(service)).onError(problemDetails());
  app.post('/items', holdfast({ service }), async (c) => {
    const { id } = await c.req.json<Item>();
    await beforeAccepting();
    await items.put(id, c.var.holdfast);
    return c.body(null, 202);
  });
  return listen(app, { service, port: 0, host: '127.0.0.1' });
}
