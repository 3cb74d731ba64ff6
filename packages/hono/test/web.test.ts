/** Hono without Node's server: as on Cloudflare Workers, Deno, Bun, and in an app's own tests with `app.request()`. */
import { DisconnectedError, Service, currentScope, isHoldfastError, type RequestScope } from '@holdfast/core';
import { getScope, healthRoutes, holdfast, problemDetails } from '@holdfast/hono';
import { Hono, type ExecutionContext, type Handler } from 'hono';
import { stream } from 'hono/streaming';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function createApp(timeoutMs?: number) {
  const service = new Service({ name: 'edge', shutdown: { budgetMs: 500 } });
  const app = new Hono().use(holdfast({ service, timeoutMs }));
  app.onError(problemDetails());
  return { service, app };
}

const remaining: Handler = (c) => c.json(getScope(c).deadline?.remainingMs ?? null);

function fail(error: Error): Handler {
  return () => {
    throw error;
  };
}

function executionContext(): ExecutionContext & { readonly promises: Promise<unknown>[] } {
  const promises: Promise<unknown>[] = [];
  return {
    promises,
    waitUntil: (promise) => promises.push(promise),
    passThroughOnException: () => {},
    props: {},
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the scope', () => {
  it('is there by c.var, getScope and currentScope', async () => {
    const { app } = createApp();
    app.get('/', (c) => c.json([getScope(c) === c.get('holdfast' as never), currentScope() === getScope(c)]));
    expect(await (await app.request('/')).json()).toEqual([true, true]);
  });

  it('is missed with a word on what to do', async () => {
    const app = new Hono().get('/', (c) => c.text(getScope(c).id));
    app.onError((error, c) => c.text(error.message));
    expect(await (await app.request('/')).text()).toMatch(/mount holdfast/);
  });

  it('ends when a body that is all there was handed over, whether or not anybody reads it', async () => {
    const { service, app } = createApp();
    app.get('/', (c) => c.text('x'.repeat(100_000)));
    app.get('/empty', (c) => c.body(null, 204));
    const [text, empty, missing] = await Promise.all([
      app.request('/'),
      app.request('/empty'),
      app.request('/missing'),
      app.request('/', { method: 'HEAD' }),
    ]);
    expect([text.status, empty.status, missing.status]).toEqual([200, 204, 404]);
    await turn();
    expect(await service.shutdown()).toMatchObject({ outcome: 'clean', requests: { cancelled: 0 } });
    expect(await text.text()).toHaveLength(100_000);
  });

  it('ends when a streamed body ends, and reads no more than two pieces ahead', async () => {
    const { app } = createApp();
    const events: string[] = [];
    app.get('/', (c) => {
      getScope(c).background(() => void events.push('ended'), { after: 'response' });
      let piece = 0;
      return c.body(
        new ReadableStream({
          pull(controller) {
            piece += 1;
            events.push(`made ${piece}`);
            if (piece === 6) controller.close();
            else controller.enqueue(new TextEncoder().encode(`${piece} `));
          },
        }),
      );
    });
    const response = await app.request('/');
    await turn();
    expect(events.length).toBeLessThanOrEqual(4);
    expect(events).not.toContain('ended');
    expect(await response.text()).toBe('1 2 3 4 5 ');
    await turn();
    expect(events.at(-1)).toBe('ended');
  });

  it('keeps status and headers, cookies included', async () => {
    const { app } = createApp();
    app.get('/', (c) => {
      c.header('set-cookie', 'a=1', { append: true });
      c.header('set-cookie', 'b=2', { append: true });
      return c.json({ ok: true }, 201, { 'x-made-by': 'hono' });
    });
    const response = await app.request('/');
    expect(response.status).toBe(201);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('x-made-by')).toBe('hono');
    expect(response.headers.get('content-type')).toBe('application/json');
  });

  it('aborts when the caller leaves, before the answer and while its body is streamed', async () => {
    const { app } = createApp();
    const client = new AbortController();
    const signals: AbortSignal[] = [];
    app.get('/hang', async (c) => {
      const { signal } = getScope(c);
      signals.push(signal);
      client.abort();
      signal.throwIfAborted();
      return c.text('never');
    });
    app.get('/stream', (c) => {
      signals.push(getScope(c).signal);
      return stream(c, async (out) => {
        await out.write('first');
        await new Promise((resolve) => signals[1]?.addEventListener('abort', resolve));
      });
    });
    const hang = await app.request(new Request('http://edge/hang', { signal: client.signal }));
    expect([hang.status, await hang.text()]).toEqual([499, '']);
    const streamed = await app.request('/stream');
    await streamed.body?.cancel();
    expect(signals.map(({ reason }) => isHoldfastError(reason, 'DISCONNECTED'))).toEqual([true, true]);
  });

  it('passes the error of a body on to its reader, and ends', async () => {
    const { service, app } = createApp();
    app.get('/', (c) =>
      c.body(new ReadableStream({ pull: (controller) => controller.error(new Error('boom')) })),
    );
    await expect((await app.request('/')).text()).rejects.toThrow('boom');
    expect(await service.shutdown()).toMatchObject({ outcome: 'clean', requests: { cancelled: 0 } });
  });

  it('is shortened, never prolonged, by holdfast() on a route', async () => {
    const { service, app } = createApp(1_000);
    app.get('/short', holdfast({ service, timeoutMs: 10 }), remaining);
    app.get('/long', holdfast({ service, timeoutMs: 60_000 }), remaining);
    expect(await (await app.request('/short')).json()).toBeLessThanOrEqual(10);
    expect(await (await app.request('/long')).json()).toBeLessThanOrEqual(1_000);
  });

  it('leaves no listener on a signal that many requests share', async () => {
    const { app } = createApp();
    app.get('/', (c) => c.text(getScope(c).id));
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    for (let sent = 0; sent < 100; sent += 1) {
      const request = new Request('http://edge/');
      Object.defineProperty(request, 'signal', { value: signal });
      await (await app.request(request)).text();
    }
    await turn();
    expect(added.mock.calls.length).toBeGreaterThan(0);
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
  });
});

describe('background work', () => {
  it('is given to the runtime exactly once, and only where the runtime asks for it', async () => {
    const { app } = createApp();
    const done: string[] = [];
    app.get('/', (c) => {
      getScope(c).background(() => void done.push('now'));
      getScope(c).background(() => void done.push('later'), { after: 'response' });
      return c.text('ok');
    });
    const ctx = executionContext();
    await app.request('/', {}, {}, ctx);
    expect(ctx.promises).toHaveLength(2);
    await Promise.all(ctx.promises);
    expect(done).toEqual(['now', 'later']);
    await app.request('/');
    await turn();
    expect(done).toHaveLength(4);
  });

  it('does not ask for the execution context of a request without background work', async () => {
    const { app } = createApp();
    app.get('/', (c) => c.text('ok'));
    const ctx = executionContext();
    const waitUntil = vi.spyOn(ctx, 'waitUntil');
    await app.request('/', {}, {}, ctx);
    expect(waitUntil).not.toHaveBeenCalled();
  });
});

describe('health routes', () => {
  it('answer below any path, and when the door is shut to others', async () => {
    const { service, app } = createApp();
    app.get('/hello', (c) => c.text('hello'));
    app.route('/internal', healthRoutes(service));
    expect((await app.request('/internal/livez')).status).toBe(200);
    const report = await service.shutdown();
    expect((await app.request('/hello')).status).toBe(503);
    expect((await app.request('/internal/metrics')).status).toBe(200);
    expect(await (await app.request('/internal/readyz')).json()).toEqual({ status: 'draining' });
    expect(report.outcome).toBe('clean');
  });
});

describe('errors', () => {
  it('that are not ours go to the fallback, or to Hono', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const own = new Hono().get('/', fail(new Error('boom')));
    own.onError(problemDetails((error, c) => c.text(`caught ${error.message}`, 418)));
    expect(await (await own.request('/')).text()).toBe('caught boom');
    const hono = new Hono().get('/', fail(new Error('boom'))).get('/left', fail(new DisconnectedError()));
    hono.onError(problemDetails());
    expect((await hono.request('/')).status).toBe(500);
    expect((await hono.request('/left')).status).toBe(500);
    expect(log).toHaveBeenCalledTimes(2);
  });
});

describe('options', () => {
  it('are checked when the middleware is made', () => {
    const service = new Service({ name: 'edge' });
    expect(() => holdfast({ service, timeoutMs: -1 })).toThrow(RangeError);
    expect(() => holdfast({ service, timeout: 5 } as never)).toThrow(/options.timeout/);
    expect(() => holdfast({} as never)).toThrow(/service must be a Service/);
  });
});

it('types c.var along a chain', () => {
  new Hono().use(holdfast({ service: new Service({ name: 'edge' }) })).get('/', (c) => {
    expectTypeOf(c.var.holdfast).toEqualTypeOf<RequestScope>();
    return c.text(c.var.holdfast.id);
  });
});
