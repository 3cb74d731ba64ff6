import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay, type SendInit } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Subscriber } from '../src/subscriber.ts';

describe.each(servers)('probes on $name', (server) => {
  let relay: Relay;

  beforeAll(async () => {
    relay = await Relay.start(server);
  });

  afterAll(() => relay[Symbol.asyncDispose]());

  function probe(url: string, init?: SendInit): ReturnType<Relay['send']> {
    return relay.send('GET', `/probe?url=${encodeURIComponent(url)}`, undefined, init);
  }

  it('says what a subscriber answers', async () => {
    await using subscriber = await Subscriber.listen(() => ({ status: 204 }));
    expect(await probe(subscriber.url)).toMatchObject({
      status: 200,
      body: {
        url: subscriber.url,
        reachable: true,
        status: 204,
        attempts: 1,
        durationMs: expect.any(Number),
      },
    });
  });

  it('tries again and counts its attempts', async () => {
    await using flaky = await Subscriber.listen(() => ({ status: flaky.arrivals.length < 3 ? 503 : 200 }));
    const { body } = await probe(flaky.url);
    expect(body).toMatchObject({ reachable: true, status: 200, attempts: 3 });
    expect(flaky.arrivals).toHaveLength(3);
  });

  it('says that nobody listens', async () => {
    const subscriber = await Subscriber.listen();
    await subscriber[Symbol.asyncDispose]();
    const { status, body } = await probe(subscriber.url);
    expect(status).toBe(200);
    expect(body).toMatchObject({ url: subscriber.url, reachable: false, durationMs: expect.any(Number) });
    expect(body).not.toHaveProperty('status');
    expect(body['attempts']).toBeGreaterThan(1);
  });

  it('carries the remaining time on to the subscriber and answers 504 at the deadline', async () => {
    await using hung = await Subscriber.listen(() => new Promise(() => undefined));
    const answer = await probe(hung.url, { headers: { 'x-request-timeout-ms': '300' } });
    expect(answer).toMatchObject({ status: 504, body: { code: 'TIMEOUT' } });
    const waitMs = Number(hung.arrivals[0]?.headers['x-request-timeout-ms']);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(300);
  });

  it('answers 503 CIRCUIT_OPEN with Retry-After once the circuit of an origin is open', async () => {
    await using failing = await Subscriber.listen(() => ({ status: 500 }));
    let answer = await probe(failing.url);
    for (let n = 0; n < 60 && answer.status === 200; n += 1) answer = await probe(failing.url);
    expect(answer).toMatchObject({ status: 503, body: { code: 'CIRCUIT_OPEN' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const sent = failing.arrivals.length;
    expect((await probe(failing.url)).status).toBe(503);
    expect(failing.arrivals).toHaveLength(sent);
  });

  it.each(['', '?url=', '?url=nonsense', '?url=file:///etc/passwd'])('refuses /probe%s', async (query) => {
    expect(await relay.get(`/probe${query}`)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
  });
});
