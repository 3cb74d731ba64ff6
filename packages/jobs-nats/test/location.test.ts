import { describe, expect, it } from 'vitest';
import { readLocation } from '../src/location.ts';

const read = (url: string) => readLocation(new URL(url));

describe('the URL of a NATS engine', () => {
  it('is a server, on its usual port, under the usual name', () => {
    expect(read('nats://127.0.0.1')).toMatchObject({
      servers: ['127.0.0.1:4222'],
      tls: false,
      user: undefined,
      password: undefined,
      token: undefined,
      credentials: undefined,
      namespace: 'holdfast',
      replicas: 1,
    });
  });

  it('names a namespace, a user and how many servers keep a queue', () => {
    expect(read('tls://ada:a%2Fb@one:4333/shop?replicas=3&credentials=./ada.creds')).toMatchObject({
      servers: ['one:4333'],
      tls: true,
      user: 'ada',
      password: 'a/b',
      namespace: 'shop',
      replicas: 3,
      credentials: './ada.creds',
    });
  });

  it('takes a name without a password for a token', () => {
    expect(read('nats://secret@one')).toMatchObject({ token: 'secret', user: undefined });
  });

  it('has several hosts on one port, also those that are numbers', () => {
    expect(read('nats://one,two:4333').servers).toEqual(['one:4333', 'two:4333']);
    expect(read('nats://10.0.0.1,10.0.0.2').servers).toEqual(['10.0.0.1:4222', '10.0.0.2:4222']);
    expect(read('nats://[::1]:4333').servers).toEqual(['[::1]:4333']);
  });

  it.each([
    ['a host that is none', 'nats://one,,two'],
    ['a port for each of several hosts, which a URL cannot say', 'nats://one%3A4333,two:4333'],
    ['a namespace with other characters', 'nats://one/a.b'],
    ['an option it does not know', 'nats://one?replica=3'],
    ['more replicas than a stream may have', 'nats://one?replicas=6'],
    ['no whole number of replicas', 'nats://one?replicas=1.5'],
  ])('is refused with %s, and shows no password', (_, url) => {
    const secret = url.replace('one', 'ada:pass-word@one');
    expect(() => read(secret)).toThrow(RangeError);
    expect(() => read(secret)).toThrow(/^(?!.*pass-word)/su);
  });
});
