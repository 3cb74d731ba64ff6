import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay, type Answered } from '../src/relay.ts';
import { servers } from '../src/servers.ts';

const url = 'http://127.0.0.1:9/hook';

/** What makes an answer a problem of this status and code. */
function problem(status: number, code: string): object {
  return {
    status,
    type: 'application/problem+json',
    body: expect.objectContaining({ status, code, title: expect.any(String), type: expect.any(String) }),
  };
}

/** The parts of an answer that a problem is made of. */
function seen({ status, headers, body }: Answered): object {
  return { status, type: headers.get('content-type')?.split(';')[0], body };
}

describe.each(servers)('errors on $name', (server) => {
  let relay: Relay;

  beforeAll(async () => {
    relay = await Relay.start(server, { RELAY_MAX_BODY_BYTES: '4096' });
  });

  afterAll(() => relay[Symbol.asyncDispose]());

  it.each([
    ['no url', { payload: 1 }],
    ['no payload', { url }],
    ['a relative url', { url: '/hook', payload: 1 }],
    ['another scheme', { url: 'ftp://127.0.0.1/', payload: 1 }],
    ['a url over 2 048 characters', { url: `${url}?${'x'.repeat(2_048)}`, payload: 1 }],
    ['a url that is not a string', { url: 7, payload: 1 }],
    ['an unknown member', { url, payload: 1, priority: 'high' }],
    ['an id with a space', { id: 'a b', url, payload: 1 }],
    ['an empty id', { id: '', url, payload: 1 }],
    ['an id over 128 characters', { id: 'x'.repeat(129), url, payload: 1 }],
    ['an id that is not a string', { id: 1, url, payload: 1 }],
    ['an array', [{ url, payload: 1 }]],
    ['a string', 'event'],
  ])('refuses %s with 400 BAD_REQUEST', async (_, body) => {
    const answer = await relay.post(body);
    expect(seen(answer)).toEqual(problem(400, 'BAD_REQUEST'));
    expect(answer.body['detail']).toEqual(expect.any(String));
  });

  it('takes an id of 128 characters of every kind allowed', async () => {
    const id = `AZaz09._~-${'x'.repeat(118)}`;
    const answer = await relay.post({ id, url, payload: 1 });
    expect(answer).toMatchObject({ status: 202, body: { id } });
    expect((await relay.get(`/events/${id}`)).body['id']).toBe(id);
  });

  it.each([
    ['a body that is not JSON', '{"url":'],
    ['an empty body', ''],
  ])('refuses %s with 400 BAD_REQUEST', async (_, body) => {
    expect(
      seen(
        await relay.send('POST', '/events', undefined, {
          body,
          headers: { 'content-type': 'application/json' },
        }),
      ),
    ).toEqual(problem(400, 'BAD_REQUEST'));
  });

  it('refuses an unknown value of wait', async () => {
    expect(seen(await relay.post({ url, payload: 1 }, '?wait=forever'))).toEqual(problem(400, 'BAD_REQUEST'));
  });

  it('refuses a body that is too large with 413 BODY_TOO_LARGE, whatever its length header says', async () => {
    const large = { url, payload: 'x'.repeat(6_000) };
    expect(seen(await relay.post(large))).toEqual(problem(413, 'BODY_TOO_LARGE'));
    const chunked = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${relay.url}/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      });
      sent.once('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.once('error', reject);
      sent.write(JSON.stringify(large).slice(0, 4_500));
      sent.end(JSON.stringify(large).slice(4_500));
    });
    expect(chunked).toBe(413);
  });

  it('refuses another content type with 415 UNSUPPORTED_MEDIA_TYPE', async () => {
    const body = JSON.stringify({ url, payload: 1 });
    const answer = await relay.send('POST', '/events', undefined, {
      body,
      headers: { 'content-type': 'text/plain' },
    });
    expect(seen(answer)).toEqual(problem(415, 'UNSUPPORTED_MEDIA_TYPE'));
  });

  it.each([
    ['GET', '/nowhere'],
    ['POST', '/nowhere'],
    ['GET', '/events/a/b'],
    ['GET', '/_holdfast/'],
  ])('answers %s %s with 404 NOT_FOUND', async (method, path) => {
    expect(seen(await relay.send(method, path))).toEqual(problem(404, 'NOT_FOUND'));
  });

  it.each([
    ['DELETE', '/events', 'POST'],
    ['PUT', '/events/some-id', 'GET'],
    ['GET', '/digests', 'POST'],
    ['POST', '/stats', 'GET'],
  ])('answers %s %s with 405 METHOD_NOT_ALLOWED and Allow', async (method, path, allowed) => {
    const answer = await relay.send(method, path);
    expect(seen(answer)).toEqual(problem(405, 'METHOD_NOT_ALLOWED'));
    expect(answer.headers.get('allow')).toContain(allowed);
  });

  it('answers an id that cannot be decoded with a problem', async () => {
    const answer = await relay.get('/events/%E0%A4%A');
    expect([400, 404]).toContain(answer.status);
    expect(seen(answer)).toEqual(problem(answer.status, answer.status === 400 ? 'BAD_REQUEST' : 'NOT_FOUND'));
  });
});
