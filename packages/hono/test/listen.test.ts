import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Service } from '@holdfast/core';
import { healthRoutes } from '@holdfast/hono';
import { listen } from '@holdfast/hono/node';
import { expect, it } from 'vitest';

it('answers a health check by HTTP/1.0, which names no host', async () => {
  const service = new Service({ name: 'old-clients' });
  const server = await listen(healthRoutes(service), {
    service,
    port: 0,
    host: '127.0.0.1',
    signals: [],
    exit: 'none',
  });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end('GET /livez HTTP/1.0\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await service.shutdown();
});
