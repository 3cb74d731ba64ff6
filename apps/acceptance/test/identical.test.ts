/// <reference lib="esnext.disposable" />
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay } from '../src/relay.ts';
import { servers } from '../src/servers.ts';

const json = 'content-type: application/json';
const event = '{"url":"http://127.0.0.1:9/","payload":1}';

function get(target: string, method = 'GET', ...headers: readonly string[]): string {
  return [`${method} ${target} HTTP/1.1`, 'host: relay', 'connection: close', ...headers, '', ''].join(
    '\r\n',
  );
}

function post(target: string, body: string, ...headers: readonly string[]): string {
  return get(target, 'POST', `content-length: ${Buffer.byteLength(body)}`, ...headers) + body;
}

/** Requests that frameworks like to answer each in their own way, with the status that all are to give. */
const requests: readonly (readonly [what: string, bytes: string, status: number])[] = [
  ['a path in capitals', get('/Stats'), 404],
  ['a path with a slash at its end', get('/stats/'), 404],
  ['a path that begins with two slashes', get('//stats'), 404],
  ['a path with dot segments', get('/events/../stats'), 404],
  ['a path with encoded dot segments', get('/events/%2e%2e'), 404],
  ['an id with an encoded slash', get('/events/a%2Fb'), 404],
  ['an id that is too long for any event', get(`/events/${'x'.repeat(4_000)}`), 404],
  ['an id that cannot be decoded', get('/events/%E0%A4%A'), 400],
  ['an unknown path that cannot be decoded', get('/%zz'), 400],
  ['a query that cannot be decoded', get('/events/none?x=%zz'), 404],
  ['the form of a proxy', get('http://relay/events/none'), 404],
  ['HEAD of what has GET', get('/events/none', 'HEAD'), 404],
  ['HEAD of what has not', get('/events', 'HEAD'), 405],
  ['OPTIONS', get('/events', 'OPTIONS'), 405],
  ['TRACE', get('/stats', 'TRACE'), 405],
  ['a method of WebDAV', get('/events/none', 'PROPFIND'), 405],
  ['a method of caches', get('/nowhere', 'PURGE'), 404],
  ['a body where none is expected', get('/events/none', 'GET', 'content-length: 1', json) + '{', 404],
  ['a body for an unknown path', post('/nowhere', '{', json), 404],
  ['a body for another method', get('/events', 'PUT', 'content-length: 1', json) + '{', 405],
  ['no content type', post('/events', event), 415],
  ['an empty content type', post('/events', event, 'content-type:'), 415],
  ['a content type that is none', post('/events', event, 'content-type: nonsense'), 415],
  ['a form', post('/events', 'url=x', 'content-type: application/x-www-form-urlencoded'), 415],
  ['a multipart body', post('/events', '--x--', 'content-type: multipart/form-data; boundary=x'), 415],
  ['another charset', post('/events', event, `${json}; charset=latin1`), 415],
  ['a compressed body', post('/events', event, json, 'content-encoding: gzip'), 415],
  ['no body', get('/events', 'POST', json), 400],
  ['neither body nor content type', get('/events', 'POST'), 415],
  [
    'a body that never ends',
    get('/events', 'POST', json, 'content-length: 9', 'x-request-timeout-ms: 50'),
    504,
  ],
  ['HTTP/1.0 without a host', 'GET /events/none HTTP/1.0\r\n\r\n', 404],
];

describe('the four servers', () => {
  let relays: readonly Relay[];

  beforeAll(async () => {
    relays = await Promise.all(servers.map((server) => Relay.start(server)));
  });

  afterAll(async () => {
    await Promise.all(relays.map((relay) => relay[Symbol.asyncDispose]()));
  });

  it.each(requests)('give one answer to %s', async (_, bytes, status) => {
    const answers = await Promise.all(relays.map((relay) => answerTo(relay, bytes)));
    const [first] = answers;
    expect(first).toMatchObject({ status, type: 'application/problem+json' });
    for (const answer of answers) expect(answer).toEqual(first);
  });
});

/** Sends bytes on a connection of their own; the answer is what a client can tell apart. */
async function answerTo(relay: Relay, bytes: string): Promise<Record<string, unknown>> {
  const socket = connect(Number(new URL(relay.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(bytes);
  const [head = '', ...rest] = (await text(socket)).split('\r\n\r\n');
  const header = (name: string): string | undefined =>
    new RegExp(`^${name}: ([^;\r]*)`, 'im').exec(head)?.[1];
  // how long exactly a deadline took is in the detail
  const body = rest.join('').replaceAll(/\d+ ms/g, 'n ms');
  return { status: Number(head.split(' ')[1]), type: header('content-type'), allow: header('allow'), body };
}
