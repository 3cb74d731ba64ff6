import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Subscriber } from '../src/subscriber.ts';

describe.each(servers)('delivery on $name', (server) => {
  let relay: Relay;

  beforeAll(async () => {
    relay = await Relay.start(server, { RELAY_MAX_ATTEMPTS: '4', RELAY_ATTEMPT_TIMEOUT_MS: '300' });
  });

  afterAll(() => relay[Symbol.asyncDispose]());

  it.each([408, 425, 429, 500, 502, 503, 504])('tries again after a %d', async (status) => {
    await using flaky = await Subscriber.listen((_, count) => ({ status: count < 3 ? status : 200 }));
    const id = `retried-${status}`;
    const answer = await relay.post({ id, url: flaky.url, payload: 1 }, '?wait=delivered');
    expect(answer.body).toEqual({ id, status: 'delivered' });
    expect(flaky.of(id)).toHaveLength(3);
    expect((await relay.get(`/events/${id}`)).body).toMatchObject({
      attempts: 3,
      lastError: expect.stringContaining(String(status)),
    });
  });

  it('tries again after a reset and after an attempt that takes too long', async () => {
    await using hung = await Subscriber.listen((_, count) =>
      count < 2 ? new Promise(() => undefined) : { status: 204 },
    );
    const answer = await relay.post({ id: 'hung', url: hung.url, payload: 1 }, '?wait=delivered');
    expect(answer.body).toEqual({ id: 'hung', status: 'delivered' });
    expect((await relay.get('/events/hung')).body).toMatchObject({
      attempts: 2,
      lastError: expect.any(String),
    });
  });

  it.each([400, 401, 404, 410, 422])('gives up at once on a %d', async (status) => {
    await using refusing = await Subscriber.listen(() => ({ status }));
    const id = `refused-${status}`;
    const answer = await relay.post({ id, url: refusing.url, payload: 1 }, '?wait=delivered');
    expect(answer.body).toMatchObject({ id, status: 'failed' });
    expect(refusing.arrivals).toHaveLength(1);
  });

  it('does not follow a redirect and fails the event', async () => {
    await using target = await Subscriber.listen();
    await using moved = await Subscriber.listen(() => ({ status: 307, headers: { location: target.url } }));
    const answer = await relay.post({ id: 'moved', url: moved.url, payload: 1 }, '?wait=delivered');
    expect(answer.body).toMatchObject({
      id: 'moved',
      status: 'failed',
      lastError: expect.stringContaining('307'),
    });
    expect(target.arrivals).toHaveLength(0);
  });

  it('fails an event only after RELAY_MAX_ATTEMPTS attempts', async () => {
    await using failing = await Subscriber.listen(() => ({ status: 500 }));
    const answer = await relay.post({ id: 'exhausted', url: failing.url, payload: 1 }, '?wait=delivered');
    expect(answer.body).toMatchObject({ id: 'exhausted', status: 'failed' });
    expect(failing.arrivals).toHaveLength(4);
    expect((await relay.get('/events/exhausted')).body).toMatchObject({ status: 'failed', attempts: 4 });
  });

  it('waits as long as Retry-After says', async () => {
    const times: number[] = [];
    await using busy = await Subscriber.listen((_, count) => {
      times.push(performance.now());
      return count === 1 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 204 };
    });
    await relay.post({ id: 'told', url: busy.url, payload: 1 }, '?wait=delivered');
    const [first = 0, second = 0] = times;
    expect(second - first).toBeGreaterThanOrEqual(990);
  });
});

describe.each(servers)('circuits on $name', (server) => {
  it('opens the circuit of a failing origin, spends no attempt while it is open, and delivers after recovery', async () => {
    let healthy = false;
    await using failing = await Subscriber.listen(() => ({ status: healthy ? 204 : 500 }));
    await using other = await Subscriber.listen();
    await using relay = await Relay.start(server, {
      RELAY_MAX_ATTEMPTS: '30',
      RELAY_RETRY_BASE_MS: '1',
      RELAY_RETRY_MAX_MS: '5',
    });
    const ids = Array.from({ length: 10 }, (_, n) => `storm-${n}`);
    await Promise.all(ids.map((id) => relay.post({ id, url: failing.url, payload: 1 })));
    await eventually(async () => {
      const { body } = await relay.get('/stats');
      const breakers = body['breakers'] as Record<string, { state: string }>;
      return breakers[failing.origin]?.state === 'open' ? true : undefined;
    });
    const sent = failing.arrivals.length;
    healthy = true;
    const healthyElsewhere = await relay.post(
      { id: 'elsewhere', url: other.url, payload: 1 },
      '?wait=delivered',
    );
    expect(healthyElsewhere.body).toMatchObject({ status: 'delivered' });
    for (const id of ids) {
      const event = await relay.settled(id, ({ status }) => status === 'delivered');
      expect(event['attempts']).toBe(failing.of(id).length);
    }
    expect(sent).toBeLessThan(30 * ids.length);
    expect((await relay.get('/readyz')).status).toBe(200);
  });
});
