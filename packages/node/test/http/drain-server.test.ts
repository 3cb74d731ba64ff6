import { once } from 'node:events';
import {
  Agent,
  createServer,
  get,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { Service, type ShutdownReport } from '@holdfast/core';
import { controlOf } from '@holdfast/core/internal';
import { openRequestScope } from '@holdfast/node/internal';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { drainServer, type DrainServerOptions } from '../../src/index.ts';
import { RawClient } from './raw-client.ts';

interface Fixture {
  readonly service: Service;
  readonly server: Server;
  readonly port: number;
  readonly paths: string[];
  readonly client: () => Promise<RawClient>;
  /** Waits until that many requests have come. */
  readonly reached: (count: number) => Promise<void>;
}

const fixtures: Fixture[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const { server } of fixtures.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface FixtureOptions extends DrainServerOptions {
  readonly phases?: Readonly<Record<string, number>>;
}

async function serve(
  listener: RequestListener,
  { phases, ...options }: FixtureOptions = {},
): Promise<Fixture> {
  const service = new Service({ name: 'test', shutdown: { budgetMs: 20_000, phases } });
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    listener(request, response);
  });
  drainServer(service, server, options);
  await service.start();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const fixture: Fixture = {
    service,
    server,
    port,
    paths,
    client: () => RawClient.connect(port),
    reached: async (count) => {
      while (paths.length < count) await nextTurn();
    },
  };
  fixtures.push(fixture);
  return fixture;
}

/** As long as the test likes; `goOn` ends it. */
const LAME_DUCK = { 'lame-duck': 15_000 };

/** Waits for nothing more, as a second SIGINT does. */
function goOn(service: Service): void {
  controlOf(service).escalate();
}

/** Resolves when the phase begins. */
function begins(service: Service, phase: 'lame-duck' | 'intake' | 'drain' | 'cancel'): Promise<unknown> {
  const signal = service.signalAt(phase);
  return signal.aborted ? Promise.resolve() : once(signal, 'abort');
}

/** A route that answers when the test says so. */
function held(): {
  readonly listener: RequestListener;
  readonly release: () => void;
  readonly responses: ServerResponse[];
} {
  const responses: ServerResponse[] = [];
  return {
    responses,
    listener: (_request, response) => responses.push(response),
    release: () => {
      for (const response of responses.splice(0)) response.end('held');
    },
  };
}

/** Begins a shutdown while a request is half sent: its end then comes late, on an open connection. */
async function halfSent(
  path: string,
  options: DrainServerOptions = {},
): Promise<{ caller: RawClient; report: Promise<ShutdownReport>; fixture: Fixture; release: () => void }> {
  const route = held();
  const fixture = await serve((request, response) => {
    if (request.url === '/held') route.listener(request, response);
    else response.end('served');
  }, options);
  const [holder, caller] = [await fixture.client(), await fixture.client()];
  holder.ask('/held');
  caller.send(`POST ${path} HTTP/1.1\r\nHost: te`);
  await fixture.reached(1);
  await delay(20);
  const report = fixture.service.shutdown();
  await begins(fixture.service, 'drain');
  return { caller, report, fixture, release: route.release };
}

const clean = { outcome: 'clean', leaked: [], hooks: [] };
/** Nothing had to be waited out or cut. */
const drained = { ...clean, components: { http: { drained: true, left: 0, leaked: [] } } };

describe('the lame duck', () => {
  it('serves on, and asks every client to leave with the answer', async () => {
    const { service, client } = await serve((_request, response) => response.end('ok'), {
      phases: LAME_DUCK,
    });
    const [kept, fresh] = [await client(), await client()];
    kept.ask('/');
    await kept.until('ok');
    expect(kept.received).toContain('Connection: keep-alive');

    const report = service.shutdown();
    await begins(service, 'lame-duck');
    kept.received = '';
    kept.ask('/');
    fresh.ask('/');
    const late = await client();
    late.ask('/');
    await Promise.all([kept.closed, fresh.closed, late.closed]);
    goOn(service);

    for (const { received, error } of [kept, fresh, late]) {
      expect(error).toBeUndefined();
      expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(received).toContain('Connection: close\r\n');
      expect(received).toMatch(/ok$/);
    }
    expect(await report).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 0, rejected: 0 } });
  });

  it('asks also those whose request came before', async () => {
    const route = held();
    const { service, client, reached } = await serve(route.listener, { phases: LAME_DUCK });
    const caller = await client();
    caller.ask('/');
    await reached(1);

    const report = service.shutdown();
    await begins(service, 'lame-duck');
    route.release();
    await caller.closed;
    goOn(service);

    expect(caller.received).toContain('Connection: close\r\n');
    await report;
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['setHeader', (response) => response.setHeader('Connection', 'keep-alive').end('ok')],
    [
      'writeHead with an object',
      (response) => response.writeHead(200, { connection: 'keep-alive', 'X-Kept': 'yes' }).end('ok'),
    ],
    [
      'writeHead with a list',
      (response) => response.writeHead(200, 'fine', ['Connection', 'keep-alive', 'X-Kept', 'yes']).end('ok'),
    ],
  ])('asks also where the application says otherwise, by %s', async (_, answer) => {
    const { service, client } = await serve((_request, response) => answer(response), {
      phases: LAME_DUCK,
    });
    const report = service.shutdown();
    await begins(service, 'lame-duck');
    const caller = await client();
    caller.ask('/');
    await caller.closed;
    goOn(service);

    expect(caller.received).toMatch(/\r\nConnection: close\r\n/i);
    expect(caller.received).not.toContain('keep-alive');
    if (caller.received.includes('X-')) expect(caller.received).toContain('X-Kept: yes');
    await report;
  });

  it('lets a client that was promised a connection use it, and asks it then', async () => {
    const route = held();
    const { service, client, reached } = await serve(
      (request, response) => {
        if (request.url === '/') {
          response.end('ok');
          return;
        }
        response.write('first ');
        route.listener(request, response);
      },
      { phases: LAME_DUCK },
    );
    const caller = await client();
    caller.ask('/flushed');
    await caller.until('first');
    const report = service.shutdown();
    await begins(service, 'lame-duck');
    route.release();
    await caller.until('held');

    caller.ask('/');
    await caller.closed;

    expect(caller.received).toMatch(/Connection: close\r\n(?:.*\r\n)*\r\nok$/);
    await reached(2);
    goOn(service);
    await report;
  });
});

describe('the intake', () => {
  it('ends idle connections and those that never said a word, at once', async () => {
    const { service, server, client } = await serve((_request, response) => response.end('ok'));
    const [idle, silent] = [await client(), await client()];
    idle.ask('/');
    await idle.until('ok');

    const report = await service.shutdown();

    await Promise.all([idle.closed, silent.closed]);
    expect(report).toMatchObject({ ...clean, components: { http: { drained: true, left: 0, leaked: [] } } });
    expect(report.durationMs).toBeLessThan(1_000);
    expect(server.listening).toBe(false);
    await expect(client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('finishes what is in flight, asking its client to leave', async () => {
    const route = held();
    const { service, client, reached } = await serve(route.listener);
    const caller = await client();
    caller.ask('/');
    await reached(1);

    const report = service.shutdown();
    await begins(service, 'drain');
    route.release();

    expect(await report).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0, rejected: 0 } });
    await caller.closed;
    expect(caller.error).toBeUndefined();
    expect(caller.received).toContain('Connection: close\r\n');
    expect(caller.received).toMatch(/held$/);
  });

  it('ends a connection whose answer had promised more, when that answer is finished', async () => {
    const route = held();
    const { service, client } = await serve((request, response) => {
      response.write('first ');
      route.listener(request, response);
    });
    const caller = await client();
    caller.ask('/');
    await caller.until('first');
    expect(caller.received).toContain('Connection: keep-alive');

    const report = service.shutdown();
    await begins(service, 'drain');
    route.release();

    expect(await report).toMatchObject({ ...drained, requests: { drained: 1 } });
    await caller.closed;
    expect(caller.received).toContain('held');
    expect(caller.error).toBeUndefined();
  });

  it('does not cut an answer that has ended and was not read yet', async () => {
    const size = 8 * 1_024 * 1_024;
    const { service, client, reached } = await serve((_request, response) => response.end('x'.repeat(size)));
    const caller = await client();
    caller.socket.pause();
    caller.ask('/');
    await reached(1);
    await delay(50);

    const report = service.shutdown();
    await begins(service, 'drain');
    await delay(50);
    caller.socket.resume();

    expect(await report).toMatchObject({ ...clean, requests: { drained: 1 } });
    await caller.closed;
    expect(caller.received.split('\r\n\r\n')[1]?.length).toBe(size);
  });

  it('lets an upload finish', async () => {
    const { service, client, reached } = await serve((request, response) => {
      let size = 0;
      request
        .on('data', (chunk: Buffer) => (size += chunk.length))
        .on('end', () => response.end(`got ${size}`));
    });
    const caller = await client();
    caller.ask('/', { 'Content-Length': '20' }, 'POST');
    caller.send('0123456789');
    await reached(1);

    const report = service.shutdown();
    await begins(service, 'drain');
    await delay(20);
    caller.send('0123456789');

    expect(await report).toMatchObject({ ...clean, requests: { drained: 1 } });
    await caller.closed;
    expect(caller.received).toMatch(/got 20$/);
  });

  it('gives up on an upload that stands still for five seconds', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { service, client, reached } = await serve((request, response) => {
      request.resume().on('end', () => response.end('got it'));
    });
    const caller = await client();
    caller.ask('/', { 'Content-Length': '20' }, 'POST');
    caller.send('0123456789');
    await reached(1);

    const report = service.shutdown();
    await begins(service, 'drain');
    await nextTurn();
    vi.advanceTimersByTime(5_000);

    expect(await report).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 1 } });
    await caller.closed;
    expect(caller.received).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('does not wait for a response whose connection has gone, also where it stood behind another', async () => {
    const route = held();
    const { service, client, reached } = await serve(route.listener);
    const caller = await client();
    caller.ask('/1');
    caller.ask('/2');
    await reached(2);
    caller.socket.destroy();

    const report = await service.shutdown();

    expect(report).toMatchObject({ ...drained, requests: { drained: 0, cancelled: 0 } });
  });

  it('never lets a server listen that was late', async () => {
    const service = new Service({ name: 'test' });
    const server = createServer();
    drainServer(service, server);
    await service.shutdown();

    server.listen(0, '127.0.0.1');
    await once(server, 'close');

    expect(server.listening).toBe(false);
  });
});

describe('late requests', () => {
  it('get 503 as a problem, with Retry-After, and are asked to leave; the application does not see them', async () => {
    const { caller, report, fixture, release } = await halfSent('/');
    caller.send('st\r\nContent-Length: 4\r\n\r\nbody');
    await caller.closed;
    release();

    const [head = '', body = ''] = caller.received.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(head).toContain('Connection: close');
    expect(head).toContain('Retry-After: 1');
    expect(head).toContain('Content-Type: application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status: 503, code: 'SHUTTING_DOWN', retryAfterMs: 1_000 });
    expect(caller.error).toBeUndefined();
    expect(fixture.paths).toEqual(['/held']);
    expect(await report).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0, rejected: 1 } });
  });

  it('are answered once their body is read, so that the answer arrives', async () => {
    const { caller, report, release } = await halfSent('/');
    caller.send('st\r\nContent-Length: 8\r\n\r\nbody');
    await delay(20);
    expect(caller.received).toBe('');
    caller.send('body');
    await caller.closed;
    release();

    expect(caller.received).toMatch(/^HTTP\/1\.1 503 /);
    expect(caller.error).toBeUndefined();
    await report;
  });

  it('are answered at once where their client waits to be asked for the body', async () => {
    const { caller, report, release, fixture } = await halfSent('/');
    fixture.server.on('checkContinue', (_request: IncomingMessage, response: ServerResponse) =>
      response.writeContinue(),
    );
    caller.send('st\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n');
    await caller.closed;
    release();

    expect(caller.received).toMatch(/^HTTP\/1\.1 503 /);
    expect(await report).toMatchObject({ requests: { rejected: 1 } });
  });

  it('are served where they ask for health', async () => {
    const { caller, report, release } = await halfSent('/api/readyz?verbose');
    caller.send('st\r\nContent-Length: 0\r\n\r\n');
    await caller.closed;
    release();

    expect(caller.received).toMatch(/^HTTP\/1\.1 200 .*Connection: close.*served$/s);
    expect(await report).toMatchObject({ requests: { drained: 1, rejected: 0 } });
  });

  it('are served where the server says so, with a scope', async () => {
    const { caller, report, release, fixture } = await halfSent('/', { late: 'serve' });
    const scopes: string[] = [];
    fixture.server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      scopes.push(openRequestScope(fixture.service, request, response, {}).scope.id);
    });
    caller.send('st\r\nX-Request-Id: late-1\r\nContent-Length: 0\r\n\r\n');
    await caller.closed;
    release();

    expect(caller.received).toMatch(/^HTTP\/1\.1 200 .*Connection: close.*served$/s);
    expect(scopes).toEqual(['late-1']);
    expect(await report).toMatchObject({ ...clean, requests: { rejected: 0 } });
  });

  it('that never come are not waited for: half a head is cut when the drain ends', async () => {
    const { caller, report, release } = await halfSent('/');
    release();

    expect(await report).toMatchObject(drained);
    await caller.closed;
    expect(caller.received).toBe('');
  });
});

describe('what stays', () => {
  it('a stream leaves at the intake phase, when it is told', async () => {
    const { service, client } = await serve((_request, response) => {
      response.write('data: hello\n\n');
      service.signalAt('intake').addEventListener('abort', () => response.end('data: bye\n\n'));
    });
    const caller = await client();
    caller.ask('/events');
    await caller.until('hello');

    expect(await service.shutdown()).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0 } });
    await caller.closed;
    expect(caller.received).toContain('bye');
  });

  it('a stream that stays is cut at the cancel phase and counted; the outcome is clean', async () => {
    const { service, client } = await serve((_request, response) => void response.write('data: hello\n\n'), {
      phases: { drain: 50 },
    });
    const caller = await client();
    caller.ask('/events');
    await caller.until('hello');

    const report = await service.shutdown();

    expect(report).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 1, rejected: 0 } });
    await caller.closed;
  });

  it('a request that is cancelled gets a moment to answer its abort', async () => {
    const { service, client, reached } = await serve(
      (request, response) => {
        const { signal } = openRequestScope(service, request, response, {}).scope;
        signal.addEventListener('abort', () => setTimeout(() => response.writeHead(202).end('accepted'), 10));
      },
      { phases: { drain: 50 } },
    );
    const caller = await client();
    caller.ask('/');
    await reached(1);

    expect(await service.shutdown()).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0 } });
    await caller.closed;
    expect(caller.received).toMatch(/^HTTP\/1\.1 202 .*Connection: close.*accepted/s);
  });

  it('a request is cut at once where the cancel phase has no time', async () => {
    const { service, client, reached } = await serve(() => {}, { phases: { drain: 0, cancel: 0 } });
    const caller = await client();
    caller.ask('/');
    await reached(1);

    expect(await service.shutdown()).toMatchObject({
      outcome: 'clean',
      requests: { cancelled: 1 },
      leaked: [],
    });
    await caller.closed;
  });

  it('an upgraded connection is waited for, and cut where it does not leave', async () => {
    const { service, server, client } = await serve(() => {});
    server.on('upgrade', (request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n');
      socket.on('data', (data) => socket.write(data));
      if (request.url === '/polite')
        service.signalAt('intake').addEventListener('abort', () => socket.end('bye'));
    });
    const [polite, rude] = [await client(), await client()];
    polite.ask('/polite', { Connection: 'Upgrade', Upgrade: 'test' });
    rude.ask('/rude', { Connection: 'Upgrade', Upgrade: 'test' });
    await Promise.all([polite.until('101'), rude.until('101')]);
    expect(await service.stats()).toMatchObject({ http: { inFlight: 2 } });

    const report = service.shutdown();
    await begins(service, 'drain');
    rude.send('still here');
    await Promise.all([polite.closed, rude.until('still here')]);
    goOn(service);

    expect(await report).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 1 } });
    await Promise.all([polite.closed, rude.closed]);
    expect(polite.received).toMatch(/bye$/);
  });
});

it('loses no request of clients that keep their connections and send without pause', async () => {
  const { service, port, paths } = await serve(
    (_request, response) => setTimeout(() => response.end('ok'), 1),
    { phases: LAME_DUCK },
  );
  const agents = Array.from({ length: 20 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const balancer = { knows: false };
  const failures: unknown[] = [];
  const ask = (agent: Agent): Promise<void> =>
    new Promise((resolve) => {
      const request = get({ port, host: '127.0.0.1', agent }, (response) => {
        if (response.statusCode !== 200) failures.push(response.statusCode);
        response.resume().on('close', resolve);
      });
      request.on('error', (error) => {
        failures.push(error);
        resolve();
      });
    });
  const clients = agents.map(async (agent) => {
    while (!balancer.knows) await ask(agent);
    agent.destroy();
  });
  while (paths.length < 100) await nextTurn();

  const report = service.shutdown();
  await delay(200);
  balancer.knows = true;
  await Promise.all(clients);
  goOn(service);

  expect(failures).toEqual([]);
  expect(await report).toMatchObject({ ...clean, requests: { cancelled: 0, rejected: 0 } });
});

describe('the handle', () => {
  it('leaves the server alone when it is disposed', async () => {
    const service = new Service({ name: 'test' });
    const server = createServer((_request, response) => response.end('ok'));
    const handle = drainServer(service, server);
    handle[Symbol.dispose]();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');

    await service.shutdown();

    expect(server.listening).toBe(true);
    expect(Object.hasOwn(server, 'emit')).toBe(false);
    server.close();
  });

  it('checks its options', () => {
    const service = new Service({ name: 'test' });
    const drain = drainServer as (service: unknown, server: unknown, options?: unknown) => unknown;
    expect(() => drain(service, {})).toThrow(TypeError);
    expect(() => drain(service, createServer(), { late: 'never' })).toThrow(RangeError);
    expect(() => drain(service, createServer(), { name: '' })).toThrow(RangeError);
    expect(() => drain(service, createServer(), { exempt: '/health' })).toThrow(TypeError);
    expect(() => drain(service, createServer(), { lates: 1 })).toThrow(TypeError);
  });
});
