import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  connect,
  createSecureServer,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Service } from '@holdfast/core';
import { openRequestScope } from '@holdfast/node/internal';
import { describe, expect, it } from 'vitest';
import { drainServer, type AnyServer } from '../../src/index.ts';
import { RawClient } from './raw-client.ts';

// a key that proves nothing: it belongs to localhost, and only these tests trust it
const pem = readFileSync(new URL('../fixtures/localhost.pem', import.meta.url));
const secure = { key: pem, cert: pem };

interface Answering {
  readonly url?: string | undefined;
}

interface Answerable {
  write(text: string): unknown;
  end(text: string): unknown;
}

/** A handler of both protocols: `/held` is answered by the test. */
class Routes {
  readonly held: Answerable[] = [];

  readonly handle = ({ url }: Answering, response: Answerable): void => {
    if (url === '/held') this.held.push(response);
    else if (url === '/stream') response.write('hello');
    else response.end('ok');
  };

  async reached(count: number): Promise<void> {
    while (this.held.length < count) await nextTurn();
  }

  release(): void {
    for (const response of this.held.splice(0)) response.end('held');
  }
}

async function start(
  server: AnyServer,
  phases: Readonly<Record<string, number>> = {},
): Promise<{ service: Service; port: number }> {
  const service = new Service({ name: 'test', shutdown: { budgetMs: 5_000, phases } });
  drainServer(service, server);
  await service.start();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { service, port: (server.address() as AddressInfo).port };
}

/** What one stream came to: its status and body, or the code of its error. */
function ask(session: ClientHttp2Session, path: string): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request({ ':path': path });
    let answer = '';
    stream.on('response', (headers) => (answer += `${headers[':status']} `));
    stream.setEncoding('utf8').on('data', (text: string) => (answer += text));
    stream.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    stream.on('close', () => resolve(answer));
  });
}

function connectTo(port: number, scheme = 'http'): ClientHttp2Session {
  const session = connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  return session;
}

const clean = { outcome: 'clean', leaked: [], hooks: [] };

describe('https', () => {
  it('leaves as http does: idle, silent and half-open connections end, what is in flight is finished', async () => {
    const routes = new Routes();
    const { service, port } = await start(createHttpsServer(secure, routes.handle));
    const halfOpen = new RawClient(connectTcp(port, '127.0.0.1'));
    const [busy, idle, silent] = await Promise.all([
      RawClient.connectTls(port),
      RawClient.connectTls(port),
      RawClient.connectTls(port),
    ]);
    idle.ask('/');
    await idle.until('ok');
    busy.ask('/held');
    await routes.reached(1);

    const report = service.shutdown();
    await Promise.all([idle.closed, silent.closed, halfOpen.closed]);
    routes.release();

    expect(await report).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0, rejected: 0 } });
    await busy.closed;
    expect(busy.error).toBeUndefined();
    expect(busy.received).toMatch(/Connection: close.*held$/s);
  });
});

describe('http2', () => {
  it('sessions are told to leave (GOAWAY), finish their streams and end; idle ones at once', async () => {
    const routes = new Routes();
    const { service, port } = await start(createServer(routes.handle));
    const [busy, idle] = [connectTo(port), connectTo(port)];
    expect(await ask(idle, '/')).toBe('200 ok');
    const held = ask(busy, '/held');
    await routes.reached(1);
    const goneAway = once(busy, 'goaway');

    const report = service.shutdown();
    await Promise.all([goneAway, once(idle, 'close')]);
    expect(() => busy.request({ ':path': '/' })).toThrow(
      expect.objectContaining({ code: 'ERR_HTTP2_GOAWAY_SESSION' }),
    );
    routes.release();

    expect(await held).toBe('200 held');
    expect(await report).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0, rejected: 0 } });
  });

  it('a stream that stays is cut at the cancel phase and counted', async () => {
    const { service, port } = await start(createServer(new Routes().handle), { drain: 50 });
    const session = connectTo(port);
    const stream = session.request({ ':path': '/stream' }).on('error', () => {});
    await once(stream, 'data');

    const report = service.shutdown();

    expect(await report).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 1 } });
    if (!session.closed) await once(session, 'close');
  });

  it('a stream that its client gives up is over, and aborts its scope', async () => {
    const reasons: unknown[] = [];
    const server: Http2Server = createServer();
    const { service, port } = await start(server);
    server.on('request', (request, response) => {
      const { signal } = openRequestScope(service, request, response, {}).scope;
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason);
      });
      response.write('hello');
    });
    const session = connectTo(port);
    const stream = session.request({ ':path': '/' }).on('error', () => {});
    await once(stream, 'data');
    stream.close(8);
    while (reasons.length === 0) await nextTurn();

    expect(reasons).toMatchObject([{ code: 'DISCONNECTED' }]);
    expect(await service.shutdown()).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 0 } });
    session.destroy();
  });

  it('a server of both protocols drains both', async () => {
    const routes = new Routes();
    const { service, port } = await start(createSecureServer({ ...secure, allowHTTP1: true }, routes.handle));
    const [one, idle] = await Promise.all([
      RawClient.connectTls(port, ['http/1.1']),
      RawClient.connectTls(port, ['http/1.1']),
    ]);
    const two = connectTo(port, 'https');
    idle.ask('/');
    await idle.until('ok');
    one.ask('/held');
    const held = ask(two, '/held');
    await routes.reached(2);

    const report = service.shutdown();
    await idle.closed;
    routes.release();

    expect(await held).toBe('200 held');
    expect(await report).toMatchObject({ ...clean, requests: { drained: 2, cancelled: 0, rejected: 0 } });
    await one.closed;
    expect(one.received).toMatch(/Connection: close.*held$/s);
  });
});
