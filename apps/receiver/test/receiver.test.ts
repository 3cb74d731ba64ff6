import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEnvironment } from '../src/environment.ts';
import { receiver } from '../src/receiver.ts';

let server: Server;
let url: string;

beforeEach(async () => {
  server = createServer(receiver({ failures: (event) => (event === 2 ? 1 : 0), latencyMs: 1 }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function deliver(key: string): Promise<number> {
  const { status } = await fetch(`${url}/any/path`, {
    method: 'POST',
    body: '{}',
    headers: { 'idempotency-key': key },
  });
  return status;
}

describe('the receiver', () => {
  it('takes deliveries, fails them on schedule, and tells what it got', async () => {
    const statuses: number[] = [];
    for (const key of ['a', 'b', 'b', 'a']) statuses.push(await deliver(key));
    expect(statuses).toEqual([204, 503, 204, 204]);
    const response = await fetch(`${url}/received`);
    expect(await response.json()).toEqual({ unique: 2, total: 4, duplicates: 1, refused: 1 });
  });

  it('refuses what is no delivery', async () => {
    expect((await fetch(url)).status).toBe(404);
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(400);
    expect(await (await fetch(`${url}/received`)).json()).toMatchObject({ total: 0 });
  });
});

describe('readEnvironment', () => {
  it('has a default for everything', () => {
    const { failures, ...rest } = readEnvironment({});
    expect(rest).toEqual({ host: '127.0.0.1', port: 4_000, latencyMs: 0 });
    expect([failures(4), failures(5), failures(25)]).toEqual([0, 1, 2]);
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', ''],
    ['RECEIVER_FAIL', 'sometimes'],
    ['RECEIVER_LATENCY_MS', '-1'],
  ])('refuses %s=%j and names both', (name, value) => {
    expect(() => readEnvironment({ [name]: value })).toThrow(new RegExp(`^${name} .*"${value}"$`));
  });
});
