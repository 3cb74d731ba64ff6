import { JobQueue, Service, noRetry } from '@holdfast/core';
import { runMain } from '@holdfast/node';
import { bullmq } from '@holdfast/jobs-bullmq';
import { sqlite } from '@holdfast/jobs-sqlite';
// jobs-nats is not in this repository yet; with it: engines: [sqlite, bullmq, nats]
interface Delivery {
  id: string;
  url: string;
}
declare function send(d: Delivery, signal: AbortSignal): Promise<void>;
const service = new Service({ name: 'relay' });
// memory: -> redis://localhost is this one value; enqueue and consume do not change
const deliveries = service.own(
  new JobQueue<Delivery>({
    name: 'deliveries',
    url: process.env['RELAY_QUEUE'] ?? 'memory:',
    engines: [sqlite, bullmq],
    maxDepth: 1_000,
    retry: { maxRetries: 3, baseDelayMs: 500 },
  }),
);
deliveries.consume(
  async (delivery, { signal, attempt, queueDelayMs }) => {
    if (!URL.canParse(delivery.url)) throw noRetry(new Error('bad url'));
    console.log(attempt, queueDelayMs);
    await send(delivery, signal);
  },
  { concurrency: 16 },
);
await runMain(service, async (ctx) => {
  await deliveries.enqueue({ id: '1', url: 'http://x' }, { ...ctx, id: '1', maxWaitMs: 250 });
});
