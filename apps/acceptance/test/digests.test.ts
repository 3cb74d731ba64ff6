import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';
import { Subscriber } from '../src/subscriber.ts';

describe.each(servers)('digests on $name', (server) => {
  let relay: Relay;

  beforeAll(async () => {
    relay = await Relay.start(server, { RELAY_DIGEST_WORKERS: '1', RELAY_DIGEST_QUEUE: '2' });
  });

  afterAll(() => relay[Symbol.asyncDispose]());

  it('answers with the same digest for the same text and cost', async () => {
    const [one, same, other] = await Promise.all([
      relay.send('POST', '/digests', { text: 'secret', cost: 10 }),
      relay.send('POST', '/digests', { text: 'secret', cost: 10 }),
      relay.send('POST', '/digests', { text: 'Secret', cost: 10 }),
    ]);
    expect(one.status).toBe(200);
    expect(one.body).toEqual({ digest: expect.stringMatching(/^\S{16,}$/) });
    expect(same.body).toEqual(one.body);
    expect(other.body).not.toEqual(one.body);
  });

  it.each([
    ['no text', {}],
    ['a cost of 9', { text: 'x', cost: 9 }],
    ['a cost of 17', { text: 'x', cost: 17 }],
    ['a cost of 10.5', { text: 'x', cost: 10.5 }],
    ['an unknown member', { text: 'x', salt: 'y' }],
  ])('refuses %s', async (_, body) => {
    expect(await relay.send('POST', '/digests', body)).toMatchObject({
      status: 400,
      body: { code: 'BAD_REQUEST' },
    });
  });

  it('refuses with 503 POOL_FULL when saturated, while /livez and POST /events still answer', async () => {
    await using subscriber = await Subscriber.listen();
    const digests = Array.from({ length: 12 }, (_, n) =>
      relay.send('POST', '/digests', { text: `t${n}`, cost: 16 }),
    );
    const settled = { count: 0 };
    for (const digest of digests) void digest.then(() => (settled.count += 1));
    await eventually(() => (settled.count >= 1 ? true : undefined));
    const [alive, accepted] = await Promise.all([
      relay.get('/livez'),
      relay.post({ id: 'beside-digests', url: subscriber.url, payload: 1 }),
    ]);
    expect(alive.status).toBe(200);
    expect(accepted.status).toBe(202);
    const answers = await Promise.all(digests);
    const refused = answers.filter(({ status }) => status === 503);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(answers.length - refused.length);
    expect(refused.length).toBeGreaterThanOrEqual(answers.length - 3);
    for (const { body, headers } of refused) {
      expect(body['code']).toBe('POOL_FULL');
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
  });
});
