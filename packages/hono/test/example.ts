import { Service, healthRoutes, holdfast, problemDetails } from '@holdfast/hono';
import { listen } from '@holdfast/hono/node';
import { Hono } from 'hono';

const service = new Service({ name: 'hello' });
const app = new Hono().use(holdfast({ service, timeoutMs: 15_000 })).get('/', (c) => {
  c.var.holdfast.background(() => console.log('said hello'), { after: 'response' });
  return c.json({ hello: 'world' });
});
app.onError(problemDetails());
app.route('/', healthRoutes(service)); // /livez, /startupz, /readyz, /metrics
await listen(app, { service, port: 3000 });
