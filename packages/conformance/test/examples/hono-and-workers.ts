import { Hono } from 'hono';
import {
  Policy,
  Service,
  healthRoutes,
  holdfast,
  problemDetails,
  policyFetch,
  runBatch,
} from '@holdfast/hono';
import { listen } from '@holdfast/hono/node';

export const service = new Service({ name: 'edge' });
const upstream = service.own(new Policy({ name: 'upstream', timeoutMs: 5_000, retry: {}, breaker: {} }));
const get = policyFetch(upstream);

const app = new Hono()
  .use(holdfast({ service, timeoutMs: 10_000 }))
  .get('/users/:id', async (c) => {
    const scope = c.var.holdfast;
    const response = await get(`https://api.example/${c.req.param('id')}`, { signal: scope.signal });
    scope.background(({ signal }) => fetch('https://audit.example', { method: 'POST', signal }), {
      name: 'audit',
    });
    return c.json(await response.json());
  })
  .get('/all', async (c) => {
    const { successes, errors } = await runBatch(
      ['a', 'b'],
      (id, { signal }) => get(`https://api.example/${id}`, { signal }).then((r) => r.status),
      { ...c.var.holdfast, concurrency: 2 },
    );
    const statuses: number[] = successes.map((s) => s.value);
    return c.json({ statuses, failed: errors.length });
  });
app.onError(problemDetails());
app.route('/', healthRoutes(service));

export default app; // Workers: this is all
export const onNode = () => listen(app, { service, port: 3000 }); // Node: node.ts imports app
