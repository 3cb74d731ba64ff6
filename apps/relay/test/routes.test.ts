import { describe, expect, it } from 'vitest';
import type { Handlers } from '../src/handlers.ts';
import { lastSegmentOf, queryOf, type RelayRequest } from '../src/requests.ts';
import { notServed, routesOf } from '../src/routes.ts';

const routes = routesOf({} as Handlers); // none is called

function request(method: string, target: string): RelayRequest {
  return { method, target, header: () => undefined, body: (async function* () {})() };
}

describe('notServed', () => {
  it.each(['/', '/events/', '/events/a/b', '/Events', '//events', '/_holdfast/', '/livez/x'])(
    'does not know %s',
    (path) => {
      expect(notServed(routes, request('GET', path))).toMatchObject({ code: 'NOT_FOUND', headers: {} });
    },
  );

  it.each([
    ['DELETE', '/events', 'POST'],
    ['HEAD', '/digests?x', 'POST'],
    ['PUT', '/events/a', 'GET, HEAD'],
    ['PUT', '/events/batch', 'POST, GET, HEAD'],
    ['POST', '/readyz', 'GET, HEAD'],
  ])('says of %s %s that it has %s', (method, path, allow) => {
    expect(notServed(routes, request(method, path))).toMatchObject({
      code: 'METHOD_NOT_ALLOWED',
      headers: { Allow: allow },
    });
  });
});

describe('a path that cannot be decoded', () => {
  it('is a malformed request', () => {
    expect(notServed(routes, request('GET', '/nowhere/%zz'))).toMatchObject({ code: 'BAD_REQUEST' });
  });
});

describe('a request', () => {
  it('has its last segment decoded', () => {
    expect(lastSegmentOf(request('GET', '/events/a%20b%2Fc?x=/y'))).toBe('a b/c');
    expect(() => lastSegmentOf(request('GET', '/events/%E0%A4%A'))).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  it('has a query', () => {
    expect(queryOf(request('GET', '/probe?url=http%3A%2F%2Fx%2F%3Fa%3Db&url=2'), 'url')).toBe(
      'http://x/?a=b',
    );
    expect(queryOf(request('GET', '/probe'), 'url')).toBeUndefined();
  });
});
