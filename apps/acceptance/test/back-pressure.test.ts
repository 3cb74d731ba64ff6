import { describe, expect, it } from 'vitest';
import { Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Gate, Subscriber } from '../src/subscriber.ts';

describe.each(servers)('back-pressure on $name', (server) => {
  it('refuses with 503 QUEUE_FULL and Retry-After when full, holds the bound, and never delivers what it refused', async () => {
    const gate = new Gate();
    await using held = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server, {
      RELAY_QUEUE_CAPACITY: '10',
      RELAY_ADMISSION_WAIT_MS: '50',
    });
    const ids = Array.from({ length: 60 }, (_, n) => `e${n}`);
    const depths: number[] = [];
    const answers = await Promise.all(
      ids.map(async (id) => {
        const answer = await relay.post({ id, url: held.url, payload: id });
        const { body } = await relay.get('/stats');
        depths.push(Number((body['queue'] as Record<string, unknown>)['depth']));
        return { id, ...answer };
      }),
    );
    const accepted = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status !== 202);
    expect(accepted.length).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, headers, body } of refused) {
      expect(status).toBe(503);
      expect(body).toMatchObject({ code: 'QUEUE_FULL', status: 503 });
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }
    expect(Math.max(...depths)).toBeLessThanOrEqual(10);
    for (const { id } of refused) expect((await relay.get(`/events/${id}`)).status).toBe(404);

    gate.open();
    for (const { id } of accepted) await relay.settled(id, ({ status }) => status === 'delivered');
    expect([...held.ids].toSorted()).toEqual(accepted.map(({ id }) => id).toSorted());
    expect((await relay.get('/stats')).body['events']).toEqual({
      queued: 0,
      delivering: 0,
      delivered: accepted.length,
      failed: 0,
    });
  });

  it('waits for room before it refuses', async () => {
    const gate = new Gate();
    await using held = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server, {
      RELAY_QUEUE_CAPACITY: '1',
      RELAY_ADMISSION_WAIT_MS: '8000',
    });
    expect((await relay.post({ id: 'a', url: held.url, payload: 1 })).status).toBe(202);
    await held.until(({ ids }) => ids.has('a'));
    const waiting = relay.post({ id: 'b', url: held.url, payload: 1 });
    gate.open();
    expect((await waiting).status).toBe(202);
    await relay.settled('b', ({ status }) => status === 'delivered');
  });

  it('accepts an event again that was refused before', async () => {
    const gate = new Gate();
    await using held = await Subscriber.listen(gate.answerer());
    await using relay = await Relay.start(server, {
      RELAY_QUEUE_CAPACITY: '1',
      RELAY_ADMISSION_WAIT_MS: '10',
    });
    await relay.post({ id: 'a', url: held.url, payload: 1 });
    await held.until(({ ids }) => ids.has('a'));
    const refused = await relay.post({ id: 'b', url: held.url, payload: 1 });
    expect(refused.status).toBe(503);
    gate.open();
    await relay.settled('a', ({ status }) => status === 'delivered');
    const accepted = await relay.post({ id: 'b', url: held.url, payload: 1 }, '?wait=delivered');
    expect(accepted.body).toMatchObject({ id: 'b', status: 'delivered' });
    expect(held.of('b')).toHaveLength(1);
  });
});
