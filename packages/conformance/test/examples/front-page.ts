import { JobQueue, Policy, Service } from '@holdfast/core';
import { Consume, type JobContext } from '@holdfast/nestjs';
import { listen } from '@holdfast/express';
import express from 'express';
interface Delivery {
  url: string;
}
declare function origin(d: Delivery): string;
declare function send(d: Delivery, s: AbortSignal): Promise<void>;
declare const db: { end(): Promise<void>; ping(): Promise<void> };
const service = new Service({ name: 'relay', shutdown: { budgetMs: 25_000 } });
const deliveries = service.own(new JobQueue<Delivery>({ name: 'deliveries', url: 'memory:' }));
const upstream = service.own(
  new Policy({
    name: 'upstream',
    timeoutMs: 10_000,
    retry: { maxRetries: 3, budget: { ratio: 0.2 } },
    breaker: {},
    bulkhead: { maxConcurrent: 32 },
    attemptTimeoutMs: 2_000,
  }),
);
deliveries.consume((d, ctx) => upstream.for(origin(d)).execute(({ signal }) => send(d, signal), ctx), {
  concurrency: 16,
});
service.tasks.spawn(
  async ({ signal }) => {
    signal.throwIfAborted();
  },
  { name: 'audit' },
);
service.onShutdown('database', () => db.end(), { phase: 'close', timeoutMs: 3_000 });
service.own({
  name: 'database',
  health: async () => {
    await db.ping();
    return { status: 'up' as const };
  },
  [Symbol.asyncDispose]: () => db.end(),
});
await listen(express(), { service, port: 3000 });
class Deliveries extends JobQueue<Delivery> {
  constructor() {
    super({ name: 'd', url: 'memory:' });
  }
}
export class C {
  @Consume(Deliveries, { leaseMs: 1_000 }) async run(d: Delivery, ctx: JobContext): Promise<void> {
    await send(d, ctx.signal);
  }
}
