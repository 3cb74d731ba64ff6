import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Service, healthHandler, sleep, type Component } from '../../src/index.ts';

const get = (path: string, method = 'GET'): Request => new Request(`http://host${path}`, { method });

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

async function ask(service: Service, path: string): Promise<{ status: number; body: unknown }> {
  const response = await healthHandler(service)(get(path));
  return { status: response.status, body: await response.json() };
}

function withHealth(...all: (readonly [string, Component['health']])[]): Service {
  const service = new Service({ name: 's' });
  for (const [name, health] of all) service.own({ name, ...(health !== undefined && { health }) });
  return service;
}

describe('/livez', () => {
  it('is 200 from the beginning until the service has stopped, and asks nobody', async () => {
    const health = vi.fn<() => never>();
    const service = withHealth(['a', health]);
    expect(await ask(service, '/livez')).toEqual({ status: 200, body: { status: 'up' } });
    service.tasks.spawn(() => sleep(1_000));
    const stopped = service.shutdown();
    await vi.advanceTimersByTimeAsync(500);
    expect((await ask(service, '/livez')).status).toBe(200);
    await vi.advanceTimersByTimeAsync(500);
    await stopped;
    expect(await ask(service, '/livez')).toEqual({ status: 503, body: { status: 'down' } });
    expect(health).not.toHaveBeenCalled();
  });
});

describe('/startupz', () => {
  it('is 503 until everything is open, and 200 from then on, through the shutdown, asking nobody', async () => {
    const health = vi.fn<() => never>();
    const service = new Service({ name: 's' });
    service.own({ name: 'slow', open: () => sleep(100), health });
    expect(await ask(service, '/startupz')).toEqual({ status: 503, body: { status: 'starting' } });
    const started = service.start();
    expect((await ask(service, '/startupz')).status).toBe(503);
    await vi.advanceTimersByTimeAsync(100);
    await started;
    expect(await ask(service, '/startupz')).toEqual({ status: 200, body: { status: 'up' } });
    expect(health).not.toHaveBeenCalled();
    await service.shutdown();
    expect((await ask(service, '/startupz')).status).toBe(200);
    expect((await service.health()).started).toBe(true);
  });

  it('is 200 before a start where there is nothing to open, also through a start or a shutdown, and 503 for good where the start failed', async () => {
    const ready = new Service({ name: 's' });
    expect((await ask(ready, '/startupz')).status).toBe(200);
    const started = ready.start();
    expect((await ask(ready, '/startupz')).status).toBe(200);
    await started;
    const unstarted = new Service({ name: 's' });
    const stopped = unstarted.shutdown();
    expect((await ask(unstarted, '/startupz')).status).toBe(200);
    await stopped;
    expect((await unstarted.health()).started).toBe(true);
    const service = new Service({ name: 's' });
    service.own({ name: 'broken', open: () => Promise.reject(new Error('no route')) });
    await expect(service.start()).rejects.toThrow('no route');
    expect((await ask(service, '/startupz')).status).toBe(503);
  });
});

describe('/readyz', () => {
  it('is 200 where no component is down, with what each says', async () => {
    const service = withHealth(
      ['a', () => ({ status: 'up' })],
      ['b', async () => ({ status: 'degraded', detail: 'slow' })],
      ['quiet', undefined],
    );
    await service.start();
    expect(await ask(service, '/readyz')).toEqual({
      status: 200,
      body: {
        status: 'degraded',
        components: { a: { status: 'up' }, b: { status: 'degraded', detail: 'slow' } },
      },
    });
  });

  it('is 503 where one is down, throws, or does not answer within 800 ms', async () => {
    const down: readonly (readonly [Component['health'], string])[] = [
      [() => ({ status: 'down', detail: 'no route' }), 'no route'],
      [
        () => {
          throw new Error('broken');
        },
        'broken',
      ],
      [() => Promise.reject('words'), 'words'],
      [() => undefined as never, 'no answer'],
      [
        ({ signal }) => sleep(60_000, { signal }).then(() => ({ status: 'up' })),
        'a timed out after 800 ms (total)',
      ],
    ];
    for (const [health, detail] of down) {
      const service = withHealth(['a', health], ['b', () => ({ status: 'up' })]);
      await service.start();
      const answer = ask(service, '/readyz');
      await vi.advanceTimersByTimeAsync(800);
      expect(await answer).toEqual({
        status: 503,
        body: { status: 'down', components: { a: { status: 'down', detail }, b: { status: 'up' } } },
      });
    }
  });

  it('is 200 before a start where there is nothing to open, as on Workers', async () => {
    expect(await ask(withHealth(), '/readyz')).toEqual({
      status: 200,
      body: { status: 'up', components: {} },
    });
  });

  it('is 503 until everything is open', async () => {
    const service = new Service({ name: 's' });
    service.own({ name: 'a', open: () => sleep(100) });
    expect(await ask(service, '/readyz')).toMatchObject({ status: 503, body: { status: 'starting' } });
    const started = service.start();
    expect(await ask(service, '/readyz')).toMatchObject({ status: 503, body: { status: 'starting' } });
    await vi.advanceTimersByTimeAsync(100);
    await started;
    expect((await ask(service, '/readyz')).status).toBe(200);
  });

  it('is 503 with the status draining from the first moment of a shutdown, and asks nobody then', async () => {
    const health = vi.fn<() => { status: 'up' }>(() => ({ status: 'up' }));
    const service = withHealth(['a', health]);
    service.tasks.spawn(() => sleep(1_000));
    const stopped = service.shutdown();
    expect(await ask(service, '/readyz')).toEqual({ status: 503, body: { status: 'draining' } });
    await vi.advanceTimersByTimeAsync(1_000);
    await stopped;
    expect(await ask(service, '/readyz')).toEqual({ status: 503, body: { status: 'draining' } });
    expect(health).not.toHaveBeenCalled();
  });

  it('is 503 where the shutdown begins while components are asked', async () => {
    const service = withHealth(['a', () => sleep(10).then(() => ({ status: 'up' }))]);
    await service.start();
    const answer = ask(service, '/readyz');
    void service.shutdown();
    await vi.advanceTimersByTimeAsync(10);
    expect(await answer).toMatchObject({ status: 503, body: { status: 'draining' } });
  });
});

describe('/metrics', () => {
  it('has the figures of every component, and of those that cannot give them the error', async () => {
    const service = new Service({ name: 's' });
    service.own({ name: 'queue', stats: () => ({ depth: 3 }) });
    service.own({ name: 'jobs', stats: () => Promise.reject(new Error('no engine')) });
    service.own({ name: 'hangs', stats: () => new Promise(() => {}) });
    const handle = service.openScope();
    const asked = healthHandler(service)(get('/metrics'));
    await vi.advanceTimersByTimeAsync(800);
    const response = await asked;
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text).toContain('\nholdfast_depth{service="s",component="queue"} 3\n');
    expect(text).toContain('\nholdfast_running{service="s",component="tasks"} 0\n');
    expect(text).toContain('component="jobs",error="no engine"} 1\n');
    expect(text).toContain('component="hangs",error="hangs timed out after 800 ms (total)"} 1\n');
    expect(text).toContain('\nholdfast_scopes{service="s"} 1\n');
    handle.end();
  });
});

describe('healthHandler', () => {
  it('answers by the last segment of the path, wherever it is mounted', async () => {
    const handle = healthHandler(new Service({ name: 's' }));
    for (const path of ['/livez', '/livez/', '/internal/health/livez', '/readyz?verbose', '//metrics'])
      expect((await handle(get(path))).status, path).toBe(200);
    for (const path of ['/', '/livez/more', '/live', '/LIVEZ']) {
      const response = await handle(get(path));
      expect(response.status, path).toBe(404);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    }
  });

  it.each(['/livez', '/readyz', '/metrics'])('answers HEAD %s as GET, without a body', async (path) => {
    const handle = healthHandler(new Service({ name: 's' }));
    const [head, full] = [await handle(get(path, 'HEAD')), await handle(get(path))];
    expect(await head.text()).toBe('');
    expect([head.status, [...head.headers]]).toEqual([full.status, [...full.headers]]);
    expect(head.headers.get('cache-control')).toBe('no-store');
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('answers %s with 405 and what is allowed', async (method) => {
    const response = await healthHandler(new Service({ name: 's' }))(get('/livez', method));
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('service.health', () => {
  it('says where the service is in its life', async () => {
    const service = withHealth(['a', () => ({ status: 'up' })]);
    await service.start();
    expect(await service.health()).toEqual({
      live: true,
      started: true,
      ready: true,
      state: 'running',
      components: { a: { status: 'up' } },
    });
    await service.shutdown();
    expect(await service.health()).toMatchObject({ live: false, ready: false, state: 'stopped' });
  });
});
