import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay } from '../src/relay.ts';
import { serversByQueue } from '../src/servers.ts';
import { Gate, Subscriber } from '../src/subscriber.ts';

describe.each(serversByQueue)('events on $name', (server) => {
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

  it('accepts an event with 202 and delivers it', async () => {
    const accepted = await relay.post({ id: 'first', url: subscriber.url, payload: { n: 1 } });
    expect(accepted.status).toBe(202);
    expect(accepted.body).toEqual({
      id: 'first',
      status: expect.stringMatching(/^(queued|delivering|delivered)$/),
    });
    const event = await relay.settled('first', ({ status }) => status === 'delivered');
    expect(event).toEqual({
      id: 'first',
      url: subscriber.url,
      status: 'delivered',
      attempts: 1,
      queueDelayMs: expect.any(Number),
    });
    expect(event['queueDelayMs']).toBeGreaterThanOrEqual(0);
  });

  it('delivers by POST with the payload as JSON, the id as Idempotency-Key and the remaining time as deadline header', async () => {
    const payload = { text: 'grüße', list: [1, null, { deep: true }] };
    await relay.post({ id: 'shape', url: subscriber.url, payload });
    await subscriber.until(({ ids }) => ids.has('shape'));
    const [arrival] = subscriber.of('shape');
    expect(arrival).toMatchObject({ method: 'POST', path: '/hook' });
    expect(arrival?.headers['content-type']).toMatch(/^application\/json/);
    expect(JSON.parse(arrival?.body ?? '')).toEqual(payload);
    const waitMs = Number(arrival?.headers['x-request-timeout-ms']);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(2_000);
  });

  it.each([
    ['null', null],
    ['a string', 'text'],
    ['a number', 0],
    ['false', false],
    ['an empty array', []],
  ])('takes %s as a payload', async (name, payload) => {
    const id = `payload-${name.replaceAll(' ', '-')}`;
    expect((await relay.post({ id, url: subscriber.url, payload })).status).toBe(202);
    await subscriber.until(({ ids }) => ids.has(id));
    expect(JSON.parse(subscriber.of(id)[0]?.body ?? '')).toEqual(payload);
  });

  it('makes an id where none is given', async () => {
    const one = await relay.post({ url: subscriber.url, payload: 1 });
    const other = await relay.post({ url: subscriber.url, payload: 1 });
    expect(one.body['id']).toMatch(/^[A-Za-z0-9._~-]{1,128}$/);
    expect(one.body['id']).not.toBe(other.body['id']);
    const event = await relay.settled(String(one.body['id']), ({ status }) => status === 'delivered');
    expect(event['attempts']).toBe(1);
  });

  it('answers a repeat of the same event with its present status and never sends it again', async () => {
    const event = { id: 'repeat', url: subscriber.url, payload: { a: 1, b: 2 } };
    await relay.post(event);
    await relay.settled('repeat', ({ status }) => status === 'delivered');
    const again = await relay.post({ payload: { b: 2, a: 1 }, url: subscriber.url, id: 'repeat' });
    expect(again).toMatchObject({ status: 202, body: { id: 'repeat', status: 'delivered' } });
    const other = await relay.post(
      { id: 'after-repeat', url: subscriber.url, payload: 1 },
      '?wait=delivered',
    );
    expect(other.status).toBe(200);
    expect(subscriber.of('repeat')).toHaveLength(1);
  });

  it.each([
    ['payload', { payload: { a: 2 } }],
    ['url', { url: 'http://127.0.0.1:9/other' }],
  ])('refuses the same id with another %s with 409 ID_CONFLICT', async (name, change) => {
    const event = { id: `conflict-${name}`, url: subscriber.url, payload: { a: 1 } };
    await relay.post(event);
    expect(await relay.post({ ...event, ...change })).toMatchObject({
      status: 409,
      body: { code: 'ID_CONFLICT' },
    });
    await relay.settled(event.id, ({ status }) => status === 'delivered');
    expect(subscriber.of(event.id)).toHaveLength(1);
  });

  it('gives concurrent repeats of an event one outcome and one delivery', async () => {
    const event = { id: 'concurrent', url: subscriber.url, payload: 'once' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => relay.post(event)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 202));
    await relay.settled('concurrent', ({ status }) => status === 'delivered');
    const later = await relay.post(
      { id: 'after-concurrent', url: subscriber.url, payload: 1 },
      '?wait=delivered',
    );
    expect(later.status).toBe(200);
    expect(subscriber.of('concurrent')).toHaveLength(1);
  });

  it('says 404 NOT_FOUND for an event it does not know', async () => {
    expect(await relay.get('/events/unknown')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  });

  it('shows delivering during an attempt and queued between attempts', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(async (_, count) => {
      if (count > 1) return { status: 204 };
      await gate.opened;
      return { status: 503, headers: { 'retry-after': '1' } };
    });
    await relay.post({ id: 'status', url: slow.url, payload: 1 });
    await slow.until(({ arrivals }) => arrivals.length === 1);
    const during = await relay.settled('status', ({ status }) => status === 'delivering');
    expect(during['attempts']).toBe(1);
    gate.open();
    const between = await relay.settled('status', ({ status }) => status === 'queued');
    expect(between).toMatchObject({ attempts: 1, lastError: expect.any(String) });
    const after = await relay.settled('status', ({ status }) => status === 'delivered');
    expect(after).toMatchObject({ attempts: 2, lastError: expect.any(String) });
  });

  it('holds the answer of ?wait=delivered until the event is delivered', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    const answer = relay.post({ id: 'waited', url: slow.url, payload: 1 }, '?wait=delivered');
    await slow.until(({ arrivals }) => arrivals.length === 1);
    gate.open();
    expect(await answer).toMatchObject({ status: 200, body: { id: 'waited', status: 'delivered' } });
  });

  it('answers ?wait=delivered with the last error once the event has failed for good', async () => {
    await using refusing = await Subscriber.listen(() => ({ status: 410 }));
    const answer = await relay.post({ id: 'gone', url: refusing.url, payload: 1 }, '?wait=delivered');
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ id: 'gone', status: 'failed', lastError: expect.stringContaining('410') });
  });

  it('answers ?wait=delivered of a delivered event at once', async () => {
    const event = { id: 'waited-twice', url: subscriber.url, payload: 1 };
    await relay.post(event, '?wait=delivered');
    expect(await relay.post(event, '?wait=delivered')).toMatchObject({
      status: 200,
      body: { status: 'delivered' },
    });
  });

  it('ends ?wait=delivered with 504 and the id at the deadline of the request, and still delivers', async () => {
    const gate = new Gate();
    await using slow = await Subscriber.listen(gate.answerer());
    const answer = await relay.post({ id: 'late', url: slow.url, payload: 1 }, '?wait=delivered', {
      headers: { 'x-request-timeout-ms': '200' },
    });
    expect(answer).toMatchObject({ status: 504, body: { code: 'TIMEOUT', id: 'late' } });
    gate.open();
    const event = await relay.settled('late', ({ status }) => status === 'delivered');
    expect(event['attempts']).toBe(1);
  });
});
