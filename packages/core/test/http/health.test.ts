import { describe, expect, it } from 'vitest';
import { BulkheadFullError, Service, ShuttingDownError, healthHandler, toProblem } from '../../src/index.ts';

const get = (path: string, method = 'GET'): Request => new Request(`http://host${path}`, { method });

describe('healthHandler', () => {
  it('answers by the last segment of the path', async () => {
    const service = new Service({ name: 's' });
    service.own({
      name: 'q',
      stats: () => ({ depth: 3, oldestAgeMs: 1_500, dropped: 2, state: 'a"b', open: true }),
    });
    service.own({ name: 'db', health: () => ({ status: 'degraded' }) });
    await service.start();
    const handle = healthHandler(service);
    expect((await handle(get('/x/livez'))).status).toBe(200);
    const ready = await handle(get('/readyz/'));
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ status: 'degraded', components: { db: { status: 'degraded' } } });
    const text = await (await handle(get('/metrics'))).text();
    expect(text).toContain('# TYPE holdfast_depth gauge\nholdfast_depth{service="s",component="q"} 3\n');
    expect(text).toContain('holdfast_dropped_total{service="s",component="q"} 2\n');
    expect(text).toContain('holdfast_oldest_age_seconds{service="s",component="q"} 1.5\n');
    expect(text).toContain('holdfast_state_info{service="s",component="q",state="a\\"b"} 1\n');
    expect((await handle(get('/nope'))).status).toBe(404);
    expect((await handle(get('/livez', 'POST'))).headers.get('allow')).toBe('GET, HEAD');
    expect(await (await handle(get('/metrics', 'HEAD'))).text()).toBe('');
    const stopping = service.shutdown();
    const leaving = await handle(get('/readyz'));
    expect(leaving.status).toBe(503);
    expect(await leaving.json()).toEqual({ status: 'draining' });
    expect((await handle(get('/livez'))).status).toBe(200);
    await stopping;
  });
});

describe('toProblem', () => {
  it('maps ours and passes the rest', () => {
    expect(toProblem(new Error('x'))).toBeUndefined();
    expect(toProblem(new ShuttingDownError('s'))).toEqual({
      status: 503,
      headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '1', Connection: 'close' },
      body: {
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        detail: '"s" is shutting down',
        code: 'SHUTTING_DOWN',
      },
    });
    expect(toProblem(new BulkheadFullError('b', 1, 1, 1_001))?.headers['Retry-After']).toBe('2');
  });
});
