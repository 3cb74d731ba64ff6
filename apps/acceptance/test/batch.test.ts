import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Gate, Subscriber } from '../src/subscriber.ts';

describe.each(servers)('batches on $name', (server) => {
  let relay: Relay;
  let subscriber: Subscriber;

  beforeAll(async () => {
    subscriber = await Subscriber.listen();
    relay = await Relay.start(server);
  });

  afterAll(async () => {
    await relay[Symbol.asyncDispose]();
    await subscriber[Symbol.asyncDispose]();
  });

  it('accepts what is good, names what is not, both in input order', async () => {
    await relay.post({ id: 'taken', url: subscriber.url, payload: 'before' });
    const { status, body } = await relay.send('POST', '/events/batch', {
      events: [
        { id: 'b0', url: subscriber.url, payload: 0 },
        { id: 'not valid!', url: subscriber.url, payload: 1 },
        { id: 'b2', url: subscriber.url, payload: 2 },
        { id: 'b3', url: 'ftp://example.test/', payload: 3 },
        { id: 'taken', url: subscriber.url, payload: 'after' },
        { url: subscriber.url, payload: 5 },
      ],
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      successes: [
        { index: 0, id: 'b0' },
        { index: 2, id: 'b2' },
        { index: 5, id: expect.any(String) },
      ],
      errors: [
        { index: 1, code: 'BAD_REQUEST', detail: expect.any(String) },
        { index: 3, code: 'BAD_REQUEST', detail: expect.any(String) },
        { index: 4, code: 'ID_CONFLICT', detail: expect.any(String) },
      ],
    });
    await subscriber.until(({ ids }) => ids.has('b0') && ids.has('b2'));
  });

  it('takes 1 000 events and no more', async () => {
    const events = Array.from({ length: 1_001 }, (_, n) => ({
      id: `k${n}`,
      url: subscriber.url,
      payload: n,
    }));
    const tooMany = await relay.send('POST', '/events/batch', { events });
    expect(tooMany).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
    const most = await relay.send('POST', '/events/batch', { events: events.slice(0, 1_000) });
    expect(most.status).toBe(200);
    expect((most.body['successes'] as unknown[]).length).toBe(1_000);
    await subscriber.until(({ ids }) => events.slice(0, 1_000).every(({ id }) => ids.has(id)));
  });

  it.each([
    ['an empty batch', { events: [] }],
    ['a batch without events', {}],
    ['an unknown member', { events: [{ url: 'http://127.0.0.1:9/', payload: 1 }], more: 1 }],
  ])('refuses %s', async (_, body) => {
    expect(await relay.send('POST', '/events/batch', body)).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    });
  });

  it('shares one admission wait among all and reports the rest as QUEUE_FULL', async () => {
    const gate = new Gate();
    await using held = await Subscriber.listen(gate.answerer());
    await using small = await Relay.start(server, {
      RELAY_QUEUE_CAPACITY: '5',
      RELAY_ADMISSION_WAIT_MS: '100',
    });
    const events = Array.from({ length: 40 }, (_, n) => ({ id: `s${n}`, url: held.url, payload: n }));
    const start = performance.now();
    const { status, body } = await small.send('POST', '/events/batch', { events });
    expect(performance.now() - start).toBeLessThan(35 * 100);
    expect(status).toBe(200);
    const successes = body['successes'] as { index: number; id: string }[];
    const errors = body['errors'] as { index: number; code: string }[];
    expect(successes.length + errors.length).toBe(40);
    expect(successes.length).toBeGreaterThanOrEqual(5);
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['QUEUE_FULL']));
    gate.open();
    for (const { id } of successes) await small.settled(id, (event) => event['status'] === 'delivered');
    expect(held.ids).toEqual(new Set(successes.map(({ id }) => id)));
  });
});
