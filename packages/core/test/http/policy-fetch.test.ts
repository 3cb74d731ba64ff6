import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Policy, policyFetch } from '../../src/index.ts';

let server: Server | undefined;

async function serve(handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const started = createServer(handler);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

afterEach(async () => {
  const stopped = server;
  server = undefined;
  stopped?.closeAllConnections();
  await new Promise<void>((resolve) => (stopped === undefined ? resolve() : stopped.close(() => resolve())));
});

const fast = { baseDelayMs: 1, maxDelayMs: 1 };

describe('policyFetch', () => {
  it('tries failing statuses again and resolves with the first good response', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((req, res) => {
      seen.push(req.headers['x-request-timeout-ms'] as string | undefined);
      res.writeHead([503, 429, 200][seen.length - 1] ?? 500).end('body');
    });
    const get = policyFetch(new Policy({ retry: fast, timeoutMs: 5_000 }));
    const response = await get(url);
    expect([response.status, await response.text(), response.url]).toEqual([200, 'body', `${url}/`]);
    expect(seen).toHaveLength(3);
    for (const header of seen) expect(Number(header)).toBeLessThanOrEqual(5_000);
  });

  it('resolves with the last response when retries run out', async () => {
    const url = await serve((_, res) => res.writeHead(503).end('busy'));
    const response = await policyFetch(new Policy({ retry: { ...fast, maxRetries: 1 } }))(url);
    expect([response.status, await response.text()]).toEqual([503, 'busy']);
  });

  it('sends a POST once, unless it has an Idempotency-Key', async () => {
    let requests = 0;
    const url = await serve((_, res) => {
      requests += 1;
      res.writeHead(503).end();
    });
    const post = policyFetch(new Policy({ retry: { ...fast, maxRetries: 2 } }));
    await post(url, { method: 'POST', body: 'x' });
    expect(requests).toBe(1);
    await post(url, { method: 'POST', body: 'x', headers: { 'idempotency-key': '1' } });
    expect(requests).toBe(4);
  });

  it('ends a body that is still being read when its caller leaves', async () => {
    const url = await serve((_, res) => void res.writeHead(200).write('first'));
    const controller = new AbortController();
    const get = policyFetch(new Policy({ timeoutMs: 5_000 }));
    const response = await get(url, { signal: controller.signal });
    const reason = new Error('left');
    const text = expect(response.text()).rejects.toBe(reason);
    controller.abort(reason);
    await text;
  });
});
