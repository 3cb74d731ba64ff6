import { writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppProcess } from '../src/app-process.ts';
import { eventually, Relay, temporaryDirectory } from '../src/relay.ts';
import { servers, serversInMemory } from '../src/servers.ts';
import { Gate, Subscriber } from '../src/subscriber.ts';

/** One request on `agent`'s connection. */
function ask(
  agent: Agent,
  url: string,
  method = 'GET',
  body?: unknown,
): Promise<IncomingMessage & { text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      agent,
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
    });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => resolve(Object.assign(response, { text })));
      response.once('error', reject);
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

describe.each(serversInMemory)('shutdown of $name', (server) => {
  it('drains and exits 0 on SIGTERM, with a report', async () => {
    await using subscriber = await Subscriber.listen();
    await using relay = await Relay.start(server);
    await relay.post({ id: 'a', url: subscriber.url, payload: 1 });
    expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
    expect(await relay.report()).toMatchObject({ cause: 'SIGTERM', outcome: 'clean', leaked: [] });
    expect(subscriber.ids).toEqual(new Set(['a']));
  });

  it('turns unready within 100 ms of SIGTERM while it still serves with Connection: close, then drains', async () => {
    await using subscriber = await Subscriber.listen();
    await using relay = await Relay.start(server, { RELAY_LAME_DUCK_MS: '1000' });
    expect((await relay.get('/readyz')).status).toBe(200);
    const start = performance.now();
    relay.process.kill('SIGTERM');
    const draining = await eventually(async () => {
      const agent = new Agent();
      const answer = await ask(agent, `${relay.url}/readyz`);
      return answer.statusCode === 503 ? answer : undefined;
    });
    expect(performance.now() - start).toBeLessThan(100);
    expect(JSON.parse(draining.text)).toMatchObject({ status: 'draining' });
    expect(draining.headers.connection).toBe('close');
    const kept = new Agent({ keepAlive: true });
    const accepted = await ask(kept, `${relay.url}/events`, 'POST', {
      id: 'late',
      url: subscriber.url,
      payload: 1,
    });
    expect([accepted.statusCode, accepted.headers.connection]).toEqual([202, 'close']);
    expect((await ask(kept, `${relay.url}/livez`)).statusCode).toBe(200);
    kept.destroy();
    expect(await relay.process.exited, relay.process.output).toEqual({ code: 0, signal: null });
    expect(subscriber.ids).toEqual(new Set(['late']));
  });

  it('ends in time when SIGTERM arrives during its start', async () => {
    const data = await temporaryDirectory();
    for (let afterMs = 100; afterMs <= 700; afterMs += 75) {
      await using app = new AppProcess(server.main, { env: { ...server.env, PORT: '0', RELAY_DATA: data } });
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      app.kill('SIGTERM');
      const { code, signal } = await app.exited;
      // before its handlers are there, a signal ends a process as it always did
      expect(code === 0 || (signal === 'SIGTERM' && app.stdout === ''), app.output).toBe(true);
    }
  });

  it('closes what it opened and exits 1 with one reason when a part cannot be opened', async () => {
    const data = await temporaryDirectory();
    await writeFile(
      join(data, 'relay.db'),
      'this is no database, and it is longer than a header of one would be',
    );
    await using app = new AppProcess(server.main, { env: { ...server.env, PORT: '0', RELAY_DATA: data } });
    expect(await app.exited, app.output).toEqual({ code: 1, signal: null });
    expect(app.stdout).not.toContain('listening');
    expect(app.stderr).toMatch(/not a database/);
  });

  it('takes a second SIGTERM as a repeat and still drains', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server);
    await relay.post({ id: 'a', url: slow.url, payload: 1 });
    await slow.until(({ arrivals }) => arrivals.length === 1);
    relay.process.kill('SIGTERM');
    await eventually(async () =>
      (await relay.get('/readyz').catch(() => undefined))?.status === 200 ? undefined : true,
    );
    relay.process.kill('SIGTERM');
    gate.open();
    expect(await relay.process.exited, relay.process.output).toEqual({ code: 0, signal: null });
    expect(slow.of('a')).toHaveLength(1);
  });

  it('drains on SIGINT to its process group', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server, {}, { group: true });
    await relay.post({ id: 'a', url: slow.url, payload: 1 });
    await slow.until(({ arrivals }) => arrivals.length === 1);
    relay.process.kill('SIGINT');
    gate.open();
    expect(await relay.process.exited, relay.process.output).toEqual({ code: 0, signal: null });
    expect(await relay.report()).toMatchObject({ cause: 'SIGINT', outcome: 'clean' });
  });

  it('ends inside its budget with a subscriber that never answers, and says what was left', async () => {
    await using hung = await Subscriber.listen(() => new Promise(() => undefined));
    await using relay = await Relay.start(server, {
      RELAY_SHUTDOWN_BUDGET_MS: '3000',
      RELAY_ATTEMPT_TIMEOUT_MS: '60000',
    });
    await relay.post({ id: 'stuck', url: hung.url, payload: 1 });
    await hung.until(({ arrivals }) => arrivals.length === 1);
    const start = performance.now();
    expect(await relay.stop(), relay.process.output).toEqual({ code: 1, signal: null });
    expect(performance.now() - start).toBeLessThan(3_500);
    const report = await relay.report();
    expect(report.components['deliveries']).toMatchObject({ drained: false, left: 1 });
  });

  it('keeps ?wait=delivered through the drain', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server);
    const answer = relay.post({ id: 'held', url: slow.url, payload: 1 }, '?wait=delivered');
    await slow.until(({ arrivals }) => arrivals.length === 1);
    relay.process.kill('SIGTERM');
    await eventually(async () =>
      (await relay.get('/readyz').catch(() => undefined))?.status === 200 ? undefined : true,
    );
    gate.open();
    expect(await answer).toMatchObject({ status: 200, body: { id: 'held', status: 'delivered' } });
    expect((await answer).headers.get('connection')).toBe('close');
    expect(await relay.process.exited, relay.process.output).toEqual({ code: 0, signal: null });
  });

  it('answers a wait that is cancelled with 202 and Connection: close, never with 503', async () => {
    await using hung = await Subscriber.listen(() => new Promise(() => undefined));
    await using relay = await Relay.start(server, {
      RELAY_SHUTDOWN_BUDGET_MS: '9000',
      RELAY_ATTEMPT_TIMEOUT_MS: '60000',
      RELAY_REQUEST_TIMEOUT_MS: '60000',
    });
    const answer = relay.post({ id: 'cut', url: hung.url, payload: 1 }, '?wait=delivered');
    await hung.until(({ arrivals }) => arrivals.length === 1);
    relay.process.kill('SIGTERM');
    const { status, headers, body } = await answer;
    expect(status).toBe(202);
    expect(headers.get('connection')).toBe('close');
    expect(body).toEqual({ id: 'cut', status: expect.stringMatching(/^(queued|delivering)$/) });
    expect((await relay.process.exited).code).toBe(1);
  });

  it('is not held up by a silent socket, half a request, or an idle keep-alive connection', async () => {
    await using relay = await Relay.start(server, { RELAY_SHUTDOWN_BUDGET_MS: '5000' });
    const { port } = new URL(relay.url);
    const silent = connect(Number(port), '127.0.0.1');
    const half = connect(Number(port), '127.0.0.1', () => half.write('POST /events HTTP/1.1\r\nhost: x\r\n'));
    for (const socket of [silent, half]) socket.on('error', () => undefined);
    const kept = new Agent({ keepAlive: true });
    await ask(kept, `${relay.url}/livez`);
    const start = performance.now();
    expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
    expect(performance.now() - start).toBeLessThan(5_500);
    for (const socket of [silent, half]) socket.destroy();
    kept.destroy();
  });
});

describe.each(servers)('shutdown of $name with a queue that outlives it', (server) => {
  it('hands back what has not begun and what is cut, exits 0, and the next start delivers both', async () => {
    const data = await temporaryDirectory();
    await using hung = await Subscriber.listen(() => new Promise(() => undefined));
    {
      await using relay = await Relay.start(
        server,
        { RELAY_SHUTDOWN_BUDGET_MS: '3000', RELAY_ATTEMPT_TIMEOUT_MS: '60000', RELAY_CONCURRENCY: '1' },
        { data },
      );
      await relay.post({ id: 'begun', url: hung.url, payload: 1 });
      await hung.until(({ arrivals }) => arrivals.length === 1);
      await relay.post({ id: 'waiting', url: hung.url, payload: 1 });
      expect(await relay.stop(), relay.process.output).toEqual({ code: 0, signal: null });
      expect((await relay.report()).outcome).toBe('clean');
    }
    hung.answer = () => ({ status: 204 });
    await using relay = await Relay.start(server, {}, { data });
    const begun = await relay.settled('begun', ({ status }) => status === 'delivered');
    const waiting = await relay.settled('waiting', ({ status }) => status === 'delivered');
    expect([begun['attempts'], waiting['attempts']]).toEqual([2, 1]);
  });

  it('takes no new delivery once it is a lame duck, and ends a wait for one with 202 and Connection: close', async () => {
    await using subscriber = await Subscriber.listen();
    await using relay = await Relay.start(server, { RELAY_LAME_DUCK_MS: '1000' });
    relay.process.kill('SIGTERM');
    await eventually(async () => ((await relay.get('/readyz')).status === 503 ? true : undefined));
    const answer = await relay.post({ id: 'late', url: subscriber.url, payload: 1 }, '?wait=delivered');
    expect(answer).toMatchObject({ status: 202, body: { id: 'late', status: 'queued' } });
    expect(answer.headers.get('connection')).toBe('close');
    expect(await relay.process.exited, relay.process.output).toEqual({ code: 0, signal: null });
    expect(subscriber.arrivals).toEqual([]);
  });
});
