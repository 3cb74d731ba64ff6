import { once } from 'node:events';
import { Agent, get, request } from 'node:http';
import { connect } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Child, reportOf } from '../child.ts';
import { RawClient } from '../http/raw-client.ts';

interface Running {
  readonly child: Child;
  readonly port: number;
}

async function start(env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const child = new Child('server.mjs', [], env);
  const line = await child.line('listening');
  return { child, port: Number(line.split(' ')[1]) };
}

const clean = { outcome: 'clean', leaked: [], hooks: [] };

describe('SIGTERM', () => {
  it('with nothing to do ends the process at once, silent and idle connections or not', async () => {
    const { child, port } = await start();
    const [silent, idle] = await Promise.all([RawClient.connect(port), RawClient.connect(port)]);
    idle.ask('/');
    await idle.until('ok');

    child.process.kill('SIGTERM');

    const ending = await child.ended;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    const components = { web: { drained: true, left: 0, leaked: [] } };
    expect(reportOf(ending)).toMatchObject({ cause: 'SIGTERM', ...clean, components });
    await Promise.all([silent.closed, idle.closed]);
  });

  it('finishes a slow answer, a slow upload and a stream, and cuts what stays', async () => {
    const { child, port } = await start({ BUDGET_MS: '20000' });
    const [slow, upload, events, stuck, upgraded, silent] = await Promise.all(
      Array.from({ length: 6 }, () => RawClient.connect(port)),
    );
    slow?.ask('/slow');
    upload?.ask('/upload', { 'Content-Length': '10' }, 'POST');
    upload?.send('01234');
    events?.ask('/events');
    stuck?.ask('/stuck-events');
    upgraded?.ask('/', { Connection: 'Upgrade', Upgrade: 'test' });
    await Promise.all([
      child.line('/slow'),
      child.line('/upload'),
      events?.until('hello'),
      stuck?.until('hello'),
      child.line('upgraded'),
    ]);

    child.process.kill('SIGTERM');
    await child.line('intake');
    await delay(50);
    upload?.send('56789');
    await Promise.all([slow?.closed, upload?.closed, events?.closed]);
    child.process.kill('SIGINT'); // waits no longer

    const ending = await child.ended;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 3, cancelled: 2, rejected: 0 } });
    await Promise.all([
      slow?.closed,
      upload?.closed,
      events?.closed,
      stuck?.closed,
      upgraded?.closed,
      silent?.closed,
    ]);
    expect(slow?.received).toMatch(/^HTTP\/1\.1 200 OK.*Connection: close.*slow$/s);
    expect(upload?.received).toMatch(
      /^HTTP\/1\.1 200 OK.*84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882$/s,
    );
    expect(events?.received).toContain('data: bye');
  });

  it('loses nothing of a client that keeps its connection and sends without pause, where the balancer learns within the lame duck', async () => {
    const { child, port } = await start({ LAME_DUCK_MS: '15000', BUDGET_MS: '20000' });
    const balancer = { knows: false };
    const answers: unknown[] = [];
    const ask = (agent: Agent): Promise<void> =>
      new Promise((resolve) => {
        get({ port, host: '127.0.0.1', agent }, (response) => {
          answers.push(response.statusCode);
          response.resume().on('close', resolve);
        }).on('error', (error) => {
          answers.push(error);
          resolve();
        });
      });
    const clients = Array.from({ length: 10 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (!balancer.knows) await ask(agent);
      agent.destroy();
    });
    await child.line('request /');

    child.process.kill('SIGTERM');
    await delay(200);
    balancer.knows = true;
    await Promise.all(clients);
    child.process.kill('SIGINT'); // waits no longer

    const ending = await child.ended;
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { cancelled: 0, rejected: 0 } });
  });

  it('tells HTTP/2 clients to leave, and finishes their streams', async () => {
    const { child, port } = await start({ PROTOCOL: 'http2' });
    const session = connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':path': '/slow' });
    await child.line('/slow');
    const goneAway = once(session, 'goaway');

    child.process.kill('SIGTERM');

    await goneAway;
    expect(await text(stream)).toBe('slow');
    const ending = await child.ended;
    expect(ending).toMatchObject({ code: 0, errors: '' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 1, cancelled: 0 } });
  });

  it('cuts a request that never ends within its budget, and that is clean: it was stopped when asked', async () => {
    const { child, port } = await start();
    const failed = new Promise((resolve) =>
      request({ port, host: '127.0.0.1', path: '/never' }).on('error', resolve).end(),
    );
    await child.line('/never');

    child.process.kill('SIGTERM');

    const ending = await child.ended;
    expect(await failed).toMatchObject({ code: 'ECONNRESET' });
    expect(reportOf(ending)).toMatchObject({ ...clean, requests: { drained: 0, cancelled: 1 } });
    expect(ending).toMatchObject({ code: 0, errors: '' });
  });
});

describe('an event loop that is blocked', () => {
  it('for 5 s under a budget of 1 s ends with 124, as soon as it goes on', async () => {
    const { child, port } = await start({ BUDGET_MS: '1000' });
    const client = await RawClient.connect(port);
    client.ask('/block');
    await client.until('blocking');

    child.process.kill('SIGTERM');

    const ending = await child.ended;
    expect(ending.code).toBe(124);
    expect(reportOf(ending)).toMatchObject({ outcome: 'timed-out' });
  });

  it('is killed by the watchdog a second after the budget, with a line that says so', async () => {
    const { child, port } = await start({ BUDGET_MS: '1000', WATCHDOG: '1' });
    const client = await RawClient.connect(port);
    client.ask('/block');
    await client.until('blocking');

    child.process.kill('SIGTERM');

    const ending = await child.ended;
    expect(ending).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(ending.errors).toBe(
      'The shutdown has not ended after 2000 ms: the event loop is blocked, the process is killed\n',
    );
  });
});

it('a port that is taken ends the process with 1, after an orderly shutdown', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const ending = await new Child('server.mjs', [], { PORT: String(port) }).ended;
  taken.close();
  expect(ending.code).toBe(1);
  expect(ending.errors).toContain('EADDRINUSE');
  expect(reportOf(ending)).toMatchObject({
    cause: 'listen',
    outcome: 'failed',
    hooks: [{ name: 'listen', outcome: 'failed' }],
  });
});
