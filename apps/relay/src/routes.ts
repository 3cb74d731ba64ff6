/** The relay's routes as data: a wiring mounts the table, and asks it what to say of whatever the table has not. */
import type { RequestScope } from '@holdfast/core';
import type { Answer } from './answer.ts';
import type { Handlers } from './handlers.ts';
import { RequestError, malformed } from './request-error.ts';
import { decode, pathOf, type RelayRequest } from './requests.ts';

/** One route. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** With `:id` for a segment that varies. */
  readonly path: string;
  readonly handle: (request: RelayRequest, scope: RequestScope) => Promise<Answer>;
}

/** The table. HEAD is what a framework makes of GET. */
export function routesOf(handlers: Handlers): readonly Route[] {
  return [
    { method: 'POST', path: '/events', handle: (request, scope) => handlers.postEvent(request, scope) },
    { method: 'POST', path: '/events/batch', handle: (request, scope) => handlers.postBatch(request, scope) },
    { method: 'GET', path: '/events/:id', handle: (request, scope) => handlers.getEvent(request, scope) },
    { method: 'GET', path: '/probe', handle: (request, scope) => handlers.getProbe(request, scope) },
    { method: 'POST', path: '/digests', handle: (request, scope) => handlers.postDigest(request, scope) },
    { method: 'GET', path: '/stats', handle: (request, scope) => handlers.getStats(request, scope) },
  ];
}

const HEALTH = ['/livez', '/startupz', '/readyz', '/metrics'].map((path) => ({ method: 'GET', path }));

/** Why no route serves `request`: its path cannot be read, or is unknown, or has other methods. */
export function notServed(routes: readonly Route[], request: RelayRequest): RequestError {
  const path = pathOf(request);
  if (decode(path) === undefined) return malformed();
  const methods = [...routes, ...HEALTH]
    .filter((route) => matches(route.path, path))
    .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  if (methods.length === 0) return new RequestError('NOT_FOUND', 'there is nothing at this path');
  return new RequestError('METHOD_NOT_ALLOWED', `this path does not have the method ${request.method}`, {
    Allow: methods.join(', '),
  });
}

function matches(template: string, path: string): boolean {
  const parts = path.split('/');
  const expected = template.split('/');
  return (
    parts.length === expected.length &&
    expected.every((part, n) => (part.startsWith(':') ? parts[n] !== '' : part === parts[n]))
  );
}
