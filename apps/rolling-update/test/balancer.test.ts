/** The model itself: what the balancer does with connections, and when. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Balancer } from '../src/balancer-process.ts';

/** A replica that answers with its name, ready or not. */
async function listening(name: string, ready: () => boolean = () => true): Promise<Server> {
  const server = createServer((request, response) => {
    response.statusCode = request.url !== '/readyz' || ready() ? 200 : 503;
    response.setHeader('Content-Length', Buffer.byteLength(name));
    response.end(name);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

describe('the balancer', () => {
  let balancer: Balancer;
  let clients: Socket[];
  let replicas: Server[];

  async function replica(name: string, ready?: () => boolean): Promise<Server> {
    const server = await listening(name, ready);
    replicas.push(server);
    return server;
  }

  async function connected(): Promise<Socket> {
    const client = connect({ port: balancer.port, host: '127.0.0.1' });
    clients.push(client);
    await once(client, 'connect');
    return client;
  }

  /** The name of the replica that answers on this connection. */
  async function ask(client: Socket): Promise<string> {
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [answer] = (await once(client, 'data')) as [Buffer];
    return answer.toString().slice(-1);
  }

  beforeEach(async () => {
    clients = [];
    replicas = [];
    balancer = await Balancer.start();
  });

  afterEach(() => {
    balancer.end();
    for (const client of clients) client.destroy();
    for (const server of replicas) server.close().closeAllConnections();
  });

  it('sends connections in turn, and each stays with its replica when that is removed', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await balancer.add(portOf(a));
    await balancer.add(portOf(b));
    const [first, second] = [await connected(), await connected()];
    expect([await ask(first), await ask(second)]).toEqual(['a', 'b']);

    await balancer.remove(portOf(a), 0);
    expect([await ask(first), await ask(second)]).toEqual(['a', 'b']);
    expect(await ask(await connected())).toBe('b');
    expect(await ask(await connected())).toBe('b');
  });

  it('knows a replica when it is ready, not before', async () => {
    let probes = 0;
    const server = await replica('a', () => {
      probes += 1;
      return probes > 3;
    });
    await balancer.add(portOf(server));
    expect(probes).toBe(4);
  });

  it('resets and counts the connections for a replica that listens no more, until it has learned of that', async () => {
    const gone = await replica('a');
    await balancer.add(portOf(gone));
    gone.close();
    await once(gone, 'close');

    const [error] = (await once(await connected(), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect(await balancer.refused()).toBe(1);
  });
});
