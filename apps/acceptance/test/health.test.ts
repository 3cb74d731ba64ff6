import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Subscriber } from '../src/subscriber.ts';

describe.each(servers)('health and figures on $name', (server) => {
  let relay: Relay;
  let subscriber: Subscriber;

  beforeAll(async () => {
    subscriber = await Subscriber.listen();
    relay = await Relay.start(server);
    await relay.post({ id: 'counted', url: subscriber.url, payload: 1 }, '?wait=delivered');
  });

  afterAll(async () => {
    await relay[Symbol.asyncDispose]();
    await subscriber[Symbol.asyncDispose]();
  });

  it('is live and ready', async () => {
    expect((await relay.get('/livez')).status).toBe(200);
    const ready = await relay.get('/readyz');
    expect(ready.status).toBe(200);
    expect(ready.headers.get('cache-control')).toMatch(/no-store/);
  });

  it('counts events, the queue, breakers and pools in /stats', async () => {
    const { status, body } = await relay.get('/stats');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      events: { queued: 0, delivering: 0, delivered: 1, failed: 0 },
      queue: {
        depth: 0,
        capacity: 1_000,
        oldestAgeMs: expect.any(Number),
        delayMs: { p50: expect.any(Number), p99: expect.any(Number) },
      },
      breakers: { [subscriber.origin]: { state: 'closed' } },
      pools: expect.any(Object),
    });
    expect(Object.keys(body['pools'] as object).length).toBeGreaterThanOrEqual(2);
  });

  it('exposes Prometheus text of queue, tasks, breakers and pools', async () => {
    const { status, headers, text } = await relay.get('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = text.trimEnd().split('\n');
    for (const line of lines) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? \S+)$/,
      );
    }
    for (const what of ['deliveries', 'tasks', 'digest', 'store']) expect(text).toContain(what);
  });

  it('answers HEAD as GET, without a body', async () => {
    const { status, text } = await relay.send('HEAD', '/livez');
    expect([status, text]).toEqual([200, '']);
  });
});
