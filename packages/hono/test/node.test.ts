/** Hono on Node, where its own server's response says when a request is over. */
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Service } from '@holdfast/core';
import { holdfast, problemDetails } from '@holdfast/hono';
import { drainServer } from '@holdfast/hono/node';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { expect, it } from 'vitest';

it("serves what comes late where drainServer() says so, also with the framework's own server", async () => {
  const service = new Service({ name: 'test', shutdown: { budgetMs: 2_000 } });
  const app = new Hono().use(holdfast({ service })).get('/', (c) => c.text(c.var.holdfast.id));
  app.onError(problemDetails());
  const server = createServer(getRequestListener(app.fetch));
  drainServer(service, server, { late: 'serve' });
  const served = new EventEmitter();
  service.onShutdown('others', () => once(served, 'late'), { phase: 'drain' }); // what keeps the server there for a while
  await service.start();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const late = connect(port, '127.0.0.1').setEncoding('utf8');
  late.write('GET / HTTP/1.1\r\nHost: test\r\nX-Request-Id: late-1\r\n');
  const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  expect(answer.status).toBe(200); // by now the server has seen that the other one begins
  const report = service.shutdown();
  const intake = service.signalAt('intake');
  if (!intake.aborted) await once(intake, 'abort');
  late.write('\r\n');
  let text = '';
  late.on('data', (piece: string) => (text += piece));
  await once(late, 'close');
  served.emit('late');
  expect(text).toMatch(/^HTTP\/1.1 200 /);
  expect(text).toContain('late-1');
  expect(await report).toMatchObject({ outcome: 'clean', requests: { rejected: 0 } });
});
