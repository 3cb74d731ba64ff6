import { EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { BulkheadFullError, DisconnectedError, Service, currentScope } from '@holdfast/core';
import { getScope, healthRoutes, holdfast, problemDetails } from '@holdfast/express';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { afterEach, describe, expect, it } from 'vitest';

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function createApp(): Express {
  return express().set('env', 'test');
}

async function serve(app: Express): Promise<string> {
  const server = app.listen(0, '127.0.0.1');
  stops.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('holdfast()', () => {
  it('gives handlers, error handlers and what they await one scope', async () => {
    const service = new Service({ name: 'test' });
    const app = createApp().use(holdfast({ service }));
    const same: boolean[] = [];
    app.get('/', async (_req, res) => {
      same.push(currentScope() === getScope(res));
      await Promise.resolve();
      throw new Error('boom');
    });
    const last: ErrorRequestHandler = (_error, _req, res, _next) => {
      same.push(currentScope() === getScope(res));
      res.status(500).end();
    };
    app.use(last);
    await fetch(await serve(app));
    expect(same).toEqual([true, true]);
  });

  it('can only shorten the time when mounted once more on a route', async () => {
    const service = new Service({ name: 'test' });
    const app = createApp().use(holdfast({ service, timeoutMs: 1_000 }));
    app.get('/short', holdfast({ service, timeoutMs: 10 }), (_req, res) => {
      res.json(getScope(res).deadline?.remainingMs);
    });
    app.get('/long', holdfast({ service, timeoutMs: 60_000 }), (_req, res) => {
      res.json(getScope(res).deadline?.remainingMs);
    });
    const base = await serve(app);
    expect(await (await fetch(`${base}/short`)).json()).toBeLessThanOrEqual(10);
    expect(await (await fetch(`${base}/long`)).json()).toBeLessThanOrEqual(1_000);
  });

  it('refuses a request before its body is read', async () => {
    const service = new Service({ name: 'test' });
    await service.shutdown();
    let parsed = 0;
    const app = createApp().use(holdfast({ service }));
    app.use(express.json({ verify: () => (parsed += 1) }));
    app.use(problemDetails());
    const answer = await fetch(await serve(app), {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect([answer.status, parsed]).toEqual([503, 0]);
    expect(await answer.json()).toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  it('checks its options when it is made', () => {
    const service = new Service({ name: 'test' });
    expect(() => holdfast({ service, timeoutMs: Number.NaN })).toThrow(RangeError);
    expect(() => holdfast({ service, timeout: 5 } as never)).toThrow(/options.timeout/);
    expect(() => holdfast({ service: {} } as never)).toThrow(/service must be a Service/);
  });
});

describe('getScope()', () => {
  it('says what to do where the middleware is missing', async () => {
    const app = createApp().get('/', (_req, res) => {
      expect(() => getScope(res)).toThrow(/mount holdfast/);
      res.end();
    });
    expect((await fetch(await serve(app))).status).toBe(200);
  });
});

describe('problemDetails()', () => {
  it('keeps headers that were set before, and replaces the status', async () => {
    const app = createApp().get('/', (_req, res) => {
      res.status(201).set('x-trace', '7');
      throw new BulkheadFullError('pay', 1, 0);
    });
    app.use(problemDetails());
    const answer = await fetch(await serve(app));
    expect([answer.status, answer.headers.get('x-trace'), answer.headers.get('retry-after')]).toEqual([
      503,
      '7',
      '1',
    ]);
  });

  it('writes nothing for a caller who has left, and passes nothing on', async () => {
    const service = new Service({ name: 'test' });
    const app = createApp().use(holdfast({ service }));
    const client = new AbortController();
    const passedOn: unknown[] = [];
    const handled = new EventEmitter();
    const done = once(handled, 'done');
    app.get('/', async (_req, res) => {
      const { signal } = getScope(res);
      client.abort();
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const mapper = problemDetails();
    const mapped: ErrorRequestHandler = (error, req, res, next) => {
      mapper(error, req, res, next);
      expect(error).toBeInstanceOf(DisconnectedError);
      expect(res.headersSent).toBe(false);
      handled.emit('done');
    };
    const last: ErrorRequestHandler = (error, _req, _res, _next) => void passedOn.push(error);
    app.use(mapped, last);
    await expect(fetch(await serve(app), { signal: client.signal })).rejects.toThrow(/abort/);
    await done;
    expect(passedOn).toEqual([]);
  });
});

describe('healthRoutes()', () => {
  it('answer below any path and leave everything else to the app', async () => {
    const service = new Service({ name: 'test' });
    const app = createApp().use('/internal', healthRoutes(service));
    app.get('/internal/other', (_req, res) => void res.send('other'));
    const base = await serve(app);
    expect(await (await fetch(`${base}/internal/livez`)).json()).toEqual({ status: 'up' });
    expect(await (await fetch(`${base}/internal/other`)).text()).toBe('other');
    expect((await fetch(`${base}/livez`)).status).toBe(404);
    expect((await fetch(`${base}/internal/livez`, { method: 'POST' })).status).toBe(404);
  });
});
