import { Service, getScope, healthRoutes, holdfast, listen, problemDetails } from '@holdfast/express';
import express from 'express';

const service = new Service({ name: 'hello' });
const app = express();
app.use(healthRoutes(service)); // /livez, /startupz, /readyz, /metrics
app.use(holdfast({ service, timeoutMs: 15_000 }));
app.get('/', (_req, res) => {
  getScope(res).background(() => console.log('said hello'), { after: 'response' });
  res.json({ hello: 'world' });
});
app.use(problemDetails());
await listen(app, { service, port: 3000 });
