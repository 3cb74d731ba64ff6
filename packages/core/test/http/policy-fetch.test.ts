/** Against a real server on 127.0.0.1 that fails as it is told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, Policy, policyFetch, withTimeout, type PolicyOptions } from '../../src/index.ts';
import { deferred } from '../resilience/deferred.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly socket: Socket;
  readonly at: number;
}

type Answer = number | ((res: ServerResponse, req: IncomingMessage) => void);

let server: Server;
let origin: string;
let seen: Seen[];
/** What the server answers, one after the other; then 200. */
let script: Answer[];

beforeEach(async () => {
  seen = [];
  script = [];
  server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { method, url, headers, socket } = req;
      seen.push({
        method,
        url,
        headers,
        socket,
        body: Buffer.concat(chunks).toString(),
        at: performance.now(),
      });
      const answer = script.shift() ?? 200;
      if (typeof answer === 'number') res.writeHead(answer).end(`body of ${answer}`);
      else answer(res, req);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

const reset: Answer = (res) => res.socket?.destroy();
const silent: Answer = () => {};
const fetchWith = (options: PolicyOptions): typeof fetch =>
  policyFetch(
    new Policy({ ...options, retry: options.retry && { baseDelayMs: 1, maxDelayMs: 1, ...options.retry } }),
  );

describe('policyFetch', () => {
  it('is a fetch: it resolves with the response, its URL and body, and has the same type', async () => {
    const get: typeof fetch = policyFetch(new Policy());
    script = [(res) => res.writeHead(201, { 'x-answer': 'yes' }).end('created')];
    const response = await get(new URL(`${origin}/a?b=1`), {
      method: 'POST',
      body: 'x',
      headers: { 'x-question': 'maybe' },
    });
    expect([response.status, response.headers.get('x-answer'), await response.text()]).toEqual([
      201,
      'yes',
      'created',
    ]);
    expect(seen).toMatchObject([
      { method: 'POST', url: '/a?b=1', body: 'x', headers: { 'x-question': 'maybe' } },
    ]);
    const { type } = await fetch(origin);
    expect([response.url, response.redirected, response.type]).toEqual([`${origin}/a?b=1`, false, type]);
  });

  it('takes a Request', async () => {
    const get = fetchWith({ retry: {} });
    script = [503];
    const response = await get(new Request(`${origin}/item`, { headers: { 'x-question': 'maybe' } }));
    expect(response.status).toBe(200);
    expect(seen.map(({ headers }) => headers['x-question'])).toEqual(['maybe', 'maybe']);
    await get(new Request(`${origin}/item`, { method: 'PUT', body: 'once' }));
    expect(seen.at(-1)).toMatchObject({ method: 'PUT', body: 'once' });
  });

  it('rejects as fetch does for what is no URL, and neither retries nor counts that', async () => {
    const policy = new Policy({ retry: {}, breaker: {} });
    await expect(policyFetch(policy)('not a url')).rejects.toThrow(TypeError);
    expect(policy.stats()).toMatchObject({ failed: 0, breakerSettled: 0 });
  });
});

describe('what policyFetch tries again', () => {
  it.each([408, 425, 429, 500, 502, 503, 504])('is %i', async (status) => {
    script = [status];
    const response = await fetchWith({ retry: {} })(origin);
    expect([response.status, seen.length]).toEqual([200, 2]);
  });

  it.each([200, 204, 301, 304, 400, 401, 403, 404, 409, 422])('is not %i', async (status) => {
    script = [status];
    const response = await fetchWith({ retry: {} })(origin, { redirect: 'manual' });
    expect([response.status, seen.length]).toEqual([status, 1]);
  });

  it('is a connection that was reset', async () => {
    script = [reset, reset];
    const response = await fetchWith({ retry: {} })(origin);
    expect([response.status, seen.length]).toEqual([200, 3]);
  });

  it('rejects with the error of fetch itself when connections fail to the end', async () => {
    script = [reset, reset];
    const own = vi.spyOn(globalThis, 'fetch');
    const error: unknown = await fetchWith({ retry: { maxRetries: 1 } })(origin).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TypeError);
    expect(own.mock.settledResults.map(({ type }) => type)).toEqual(['rejected', 'rejected']);
    expect(own.mock.settledResults.at(-1)?.value).toBe(error);
    own.mockRestore();
  });

  it('resolves with the last response, whatever its status, its body unread', async () => {
    script = [500, 502, 503];
    const response = await fetchWith({ retry: { maxRetries: 2 } })(origin);
    expect([response.status, await response.text()]).toEqual([503, 'body of 503']);
  });

  it('resolves with the failing response where it retries nothing', async () => {
    script = [500];
    expect((await policyFetch(new Policy())(origin)).status).toBe(500);
  });

  it('waits for as long as Retry-After says, in seconds or as a date', async () => {
    const busy =
      (header: string): Answer =>
      (res) =>
        res.writeHead(503, { 'retry-after': header }).end();
    script = [busy('1')];
    await fetchWith({ retry: {} })(origin);
    expect((seen[1]?.at ?? 0) - (seen[0]?.at ?? 0)).toBeGreaterThan(980);
    const inTwoSeconds = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 1_000).toUTCString();
    script = [busy(inTwoSeconds)];
    await fetchWith({ retry: {} })(origin);
    expect((seen[3]?.at ?? 0) - (seen[2]?.at ?? 0)).toBeGreaterThan(900);
    const now = performance.now();
    script = [busy('soon'), busy('-5'), busy(new Date(0).toUTCString())];
    await fetchWith({ retry: {} })(origin);
    expect(performance.now() - now).toBeLessThan(900);
  }, 10_000);

  it('gives up at once where Retry-After is later than the time allows, and resolves with that response', async () => {
    script = [(res) => res.writeHead(429, { 'retry-after': '60' }).end('slow down')];
    const response = await fetchWith({ retry: {}, timeoutMs: 5_000 })(origin);
    expect([response.status, await response.text(), seen.length]).toEqual([429, 'slow down', 1]);
  });
});

describe('what policyFetch sends twice', () => {
  it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('is %s', async (method) => {
    script = [503];
    await fetchWith({ retry: {} })(origin, { method });
    expect(seen.map((one) => one.method)).toEqual([method, method]);
  });

  it.each(['POST', 'PATCH'])('is not %s, unless it has an Idempotency-Key', async (method) => {
    script = [503];
    const response = await fetchWith({ retry: {} })(origin, { method, body: 'x' });
    expect([response.status, seen.length]).toEqual([503, 1]);
    script = [503];
    await fetchWith({ retry: {} })(origin, { method, body: 'x', headers: { 'idempotency-key': 'k' } });
    expect(seen).toHaveLength(3);
  });

  it('is not a POST whose connection was reset, though the circuit counts that', async () => {
    const policy = new Policy({ retry: { baseDelayMs: 1 }, breaker: { consecutiveFailures: 1 } });
    script = [reset];
    await expect(policyFetch(policy)(origin, { method: 'POST' })).rejects.toThrow(TypeError);
    expect(seen).toHaveLength(1);
    expect(policy.breaker?.state).toBe('open');
  });

  it.each<[string, () => RequestInit['body'], string]>([
    ['a string', () => 'text', 'text'],
    ['URLSearchParams', () => new URLSearchParams({ a: '1' }), 'a=1'],
    ['a Blob', () => new Blob(['blob']), 'blob'],
    ['an ArrayBuffer', () => new TextEncoder().encode('buffer').buffer, 'buffer'],
    ['a view', () => new TextEncoder().encode('view'), 'view'],
  ])('may have %s for a body', async (_, body, text) => {
    script = [503];
    await fetchWith({ retry: {} })(origin, { method: 'PUT', body: body() ?? null });
    expect(seen.map((one) => one.body)).toEqual([text, text]);
  });

  it('may have a form for a body', async () => {
    const form = new FormData();
    form.set('field', 'value');
    script = [503];
    await fetchWith({ retry: {} })(origin, { method: 'PUT', body: form });
    expect(seen.map((one) => one.body.includes('value'))).toEqual([true, true]);
  });

  it('has no stream for a body', async () => {
    script = [503];
    const body = new Blob(['streamed']).stream();
    const init: RequestInit & { duplex: 'half' } = { method: 'PUT', body, duplex: 'half' };
    const response = await fetchWith({ retry: {} })(origin, init);
    expect([response.status, seen.map((one) => one.body)]).toEqual([503, ['streamed']]);
  });

  it('is a POST that a circuit had refused: nothing was sent', async () => {
    const policy = new Policy({
      timeoutMs: 5_000,
      retry: { baseDelayMs: 1 },
      breaker: { consecutiveFailures: 1, breakMs: 50 },
    });
    const post = policyFetch(policy);
    script = [500];
    await post(origin, { method: 'POST' });
    const response = await post(origin, { method: 'POST' });
    expect([response.status, seen.length]).toEqual([200, 2]);
  });
});

describe('what a circuit learns from policyFetch', () => {
  it('are statuses from 500 up and lost connections, and no others', async () => {
    const policy = new Policy({ breaker: { minimumCalls: 20 } });
    const get = policyFetch(policy);
    // the connection to be reset is a new one: some runtimes send again by themselves what an old one lost
    script = [200, 404, 408, 429, 500, (res) => res.writeHead(503, { connection: 'close' }).end(), reset];
    for (let request = 0; request < 7; request += 1) await get(origin).catch(() => {});
    expect(policy.breaker?.snapshot()).toMatchObject({ settled: 7, failures: 3 });
  });

  it('rejects with CircuitOpenError, the last failure as its cause, without sending', async () => {
    const get = fetchWith({ retry: {}, breaker: { consecutiveFailures: 2 } });
    script = [500, 500];
    await expect(get(origin)).rejects.toMatchObject({
      code: 'CIRCUIT_OPEN',
      cause: { code: 'HTTP_STATUS', status: 500, url: `${origin}/` },
    });
    await expect(get(origin)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect(seen).toHaveLength(2);
  });

  it('is kept for each key apart where there is keyBy', async () => {
    const policy = new Policy({ breaker: { consecutiveFailures: 1 } });
    const get = policyFetch(policy, { keyBy: (url) => url.pathname });
    script = [500];
    await get(`${origin}/a`);
    await expect(get(`${origin}/a`)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect((await get(`${origin}/b`)).status).toBe(200);
    expect(policy.for('/a').breaker?.state).toBe('open');
    expect(policy.breaker?.state).toBe('closed');
  });
});

describe('time and callers of policyFetch', () => {
  const waits = (index: number): number => Number(seen[index]?.headers['x-request-timeout-ms'] ?? Number.NaN);

  it('tells the callee how long the caller waits, less with each attempt', async () => {
    script = [(res) => setTimeout(() => res.writeHead(503).end(), 30), 200];
    await fetchWith({ retry: {}, timeoutMs: 2_000 })(origin);
    expect(waits(0)).toBeLessThanOrEqual(2_000);
    expect(waits(0)).toBeGreaterThan(1_500);
    expect(waits(1)).toBeLessThanOrEqual(waits(0) - 25);
    await fetchWith({ timeoutMs: 2_000, attemptTimeoutMs: 500 })(origin);
    expect(waits(2)).toBeLessThanOrEqual(500);
  });

  it('sends no such header where nobody set a limit, and the smaller where there is one already', async () => {
    await policyFetch(new Policy())(origin);
    expect(waits(0)).toBeNaN();
    const get = policyFetch(new Policy({ timeoutMs: 2_000 }));
    await get(origin, { headers: { 'x-request-timeout-ms': '100' } });
    await get(origin, { headers: { 'x-request-timeout-ms': '60000' } });
    await get(origin, { headers: { 'x-request-timeout-ms': 'long' } });
    expect(waits(1)).toBe(100);
    expect(waits(2)).toBeLessThanOrEqual(2_000);
    expect(waits(3)).toBeLessThanOrEqual(2_000);
  });

  it('knows the deadline of a context from its signal, or spread beside it', async () => {
    const get = policyFetch(new Policy());
    await withTimeout(({ signal }) => get(origin, { signal }), { timeoutMs: 1_000 });
    await withTimeout((ctx) => get(origin, { ...ctx }), { timeoutMs: 1_000 });
    expect(waits(0)).toBeLessThanOrEqual(1_000);
    expect(waits(1)).toBeLessThanOrEqual(1_000);
    const late: RequestInit & { deadline: Deadline } = { deadline: Deadline.after(30) };
    script = [silent];
    await expect(get(origin, late)).rejects.toMatchObject({ code: 'TIMEOUT', kind: 'deadline' });
  });

  it('tries again what takes too long, and closes its connection', async () => {
    const closed = deferred();
    script = [(res) => res.on('close', () => closed.resolve())];
    const response = await fetchWith({ retry: {}, attemptTimeoutMs: 50 })(origin);
    await closed.promise;
    expect([response.status, seen.length]).toEqual([200, 2]);
  });

  it('rejects with TIMEOUT when the total time is over', async () => {
    script = [silent];
    await expect(fetchWith({ retry: {}, timeoutMs: 50 })(origin)).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'total',
    });
  });

  it('rejects with the caller’s own reason, from the request and from a back-off, and nothing learns from it', async () => {
    const policy = new Policy({ retry: { baseDelayMs: 10_000, jitter: 'none' }, breaker: {} });
    const get = policyFetch(policy);
    for (const answer of [silent, 503]) {
      const controller = new AbortController();
      script = [answer];
      const outcome = get(origin, { signal: controller.signal });
      const reason = new Error('left');
      const rejection = expect(outcome).rejects.toBe(reason);
      await vi.waitFor(() => expect(seen.length).toBeGreaterThan(0));
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.abort(reason);
      await rejection;
      seen = [];
    }
    await expect(get(origin, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
    expect(policy.breaker?.snapshot()).toMatchObject({ settled: 1, failures: 1 });
    expect(policy.stats()).toMatchObject({ aborted: 2 });
  });

  it('takes null for no signal, as fetch does', async () => {
    await expect(
      policyFetch(new Policy({ timeoutMs: 1_000 }))(origin, { signal: null }),
    ).resolves.toMatchObject({ status: 200 });
  });
});

describe('bodies that policyFetch hands on', () => {
  it.each<[string, PolicyOptions]>([
    ['a total time-out', { timeoutMs: 5_000 }],
    ['an attempt time-out', { attemptTimeoutMs: 5_000, retry: {} }],
    ['nothing that could end an attempt', {}],
  ])('end when their caller leaves, under %s', async (_, options) => {
    const closed = deferred();
    script = [
      (res) => {
        res.writeHead(200).write('first');
        res.on('close', () => closed.resolve());
      },
    ];
    const controller = new AbortController();
    const response = await fetchWith(options)(origin, { signal: controller.signal });
    const reason = new Error('left');
    const rejection = expect(response.text()).rejects.toBe(reason);
    controller.abort(reason);
    await rejection;
    await closed.promise;
  });

  it('are whole, and can be read for longer than an attempt may take', async () => {
    script = [
      (res) => {
        res.writeHead(200).write('first ');
        setTimeout(() => res.end('last'), 60);
      },
    ];
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const response = await fetchWith({ attemptTimeoutMs: 40 })(origin, { signal });
    await expect(response.text()).resolves.toBe('first last');
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
    const { type } = await fetch(origin);
    expect([response.url, response.type, response.redirected]).toEqual([`${origin}/`, type, false]);
  });

  it('may be cancelled, which lets the connection and the caller’s signal go', async () => {
    const closed = deferred();
    script = [
      (res) => {
        res.writeHead(200).write('first');
        res.on('close', () => closed.resolve());
      },
    ];
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const response = await fetchWith({ timeoutMs: 5_000 })(origin, { signal });
    await response.body?.cancel();
    await closed.promise;
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });

  const steady = { baseDelayMs: 100, maxDelayMs: 100, jitter: 'none' } as const;

  it('that it discards are read to the end during the back-off, so that their connection serves the next attempt', async () => {
    script = [503, 503, 503];
    const response = await fetchWith({ retry: steady })(origin);
    await response.text();
    expect(seen).toHaveLength(4);
    expect(new Set(seen.map(({ socket }) => socket)).size).toBe(1);
  });

  it('of results that are retried are read to the end, too', async () => {
    const response = await fetchWith({
      retry: { ...steady, retryResultIf: () => seen.length < 3 },
    })(origin);
    expect(await response.text()).toBe('body of 200');
    expect(seen).toHaveLength(3);
    expect(new Set(seen.map(({ socket }) => socket)).size).toBe(1);
  });

  it('of results that are retried may have been read by whoever decided that', async () => {
    const retryResultIf = async (response: unknown): Promise<boolean> =>
      response instanceof Response && (await response.text()) === 'body of 202';
    script = [202, 202];
    const response = await fetchWith({ retry: { ...steady, retryResultIf } })(origin);
    expect([response.status, seen.length]).toEqual([200, 3]);
  });

  it('that it discards are cancelled where they are long or do not end', async () => {
    const closed = [deferred(), deferred()];
    script = closed.map(({ resolve }, index) => (res: ServerResponse) => {
      res.on('close', () => resolve());
      res.writeHead(503).write(index === 0 ? 'x'.repeat(1_000_000) : 'never ends');
      if (index === 0) res.end('x'.repeat(1_000_000));
    });
    const response = await fetchWith({ retry: {} })(origin);
    expect(response.status).toBe(200);
    await Promise.all(closed.map(({ promise }) => promise));
  });
});

describe('a flaky server', () => {
  it('loses no request of many: two of five answers fail, one in ten connections is reset', async () => {
    const get = fetchWith({
      retry: { maxRetries: 40 },
      attemptTimeoutMs: 10_000,
      breaker: { minimumCalls: 1_000 },
    });
    let request = 0;
    script = Array.from({ length: 1_000 }, () => (res: ServerResponse) => {
      request += 1;
      if (request % 10 === 0) res.socket?.destroy();
      else if (request % 5 < 2) res.writeHead(503).end('busy');
      else res.writeHead(200).end('fine');
    });
    const bodies = await Promise.all(Array.from({ length: 200 }, async () => (await get(origin)).text()));
    expect(new Set(bodies)).toEqual(new Set(['fine']));
    expect(seen.length).toBeGreaterThan(300);
  }, 20_000);
});

describe('bad arguments of policyFetch', () => {
  it('are refused at once', () => {
    for (const args of [
      [],
      [{}],
      [new Policy(), null],
      [new Policy(), { keyBy: 'origin' }],
      [new Policy(), { key: 1 }],
    ])
      expect(() => Reflect.apply(policyFetch, undefined, args)).toThrow(TypeError);
  });
});
