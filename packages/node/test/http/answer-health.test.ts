import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Service } from '@holdfast/core';
import { answerHealth } from '@holdfast/node/internal';
import { expect, it } from 'vitest';

it("answers on Node's own response, for GET and HEAD, at any mount point", async () => {
  const answer = answerHealth(new Service({ name: 'test' }));
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const live = await fetch(`${base}/internal/livez?verbose=1`);
  expect([live.status, await live.json()]).toEqual([200, { status: 'up' }]);
  expect(live.headers.get('cache-control')).toBe('no-store');
  const head = await fetch(`${base}/readyz`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  expect((await fetch(`${base}/elsewhere`)).status).toBe(404);
  server.close();
  server.closeAllConnections();
});
