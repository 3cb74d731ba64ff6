/**
 * The scope of one request on Node's own request and response: opened at the door, found again by its response, ended when the
 * response has ended. A response that was closed before it was finished means that the caller left.
 */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { OpenScopeOptions, RequestScope, ScopeHandle, Service } from '@holdfast/core';
import { inboundScope, pastTheDoor } from '@holdfast/core/internal';
import { pathOf } from './late-request.ts';
import { whenResponseEnds, type NodeResponse } from './response-end.ts';

/** Node's request, of HTTP/1 or HTTP/2. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

const HANDLE: unique symbol = Symbol('holdfast.scope');

interface Scoped {
  [HANDLE]?: ScopeHandle;
}

/** What bounds the scope of a request. */
export interface RequestScopeOptions {
  readonly timeoutMs?: number | undefined;
  /** Paths whose requests are not refused because the service is overloaded. */
  readonly exempt?: ((path: string) => boolean) | undefined;
}

/**
 * Opens the scope of `request`. Where the response has one already, what it allows can only be shortened.
 *
 * @throws ShuttingDownError, OverloadedError
 */
export function openRequestScope(
  service: Service,
  request: NodeRequest,
  response: NodeResponse & Scoped,
  options: RequestScopeOptions,
): ScopeHandle {
  const outer = response[HANDLE];
  const handle = service.openScope(
    outer === undefined
      ? inboundOf(service, request, options)
      : { ...outer.scope, timeoutMs: options.timeoutMs },
  );
  response[HANDLE] = handle;
  whenResponseEnds(response, (finished) => {
    if (finished) handle.end();
    else handle.disconnect();
  });
  return handle;
}

/** The scope that was opened for the request which `response` answers. */
export function requestScopeOf(response: NodeResponse & Scoped): RequestScope | undefined {
  return response[HANDLE]?.scope;
}

function inboundOf(
  service: Service,
  request: NodeRequest,
  { timeoutMs, exempt }: RequestScopeOptions,
): OpenScopeOptions {
  const { headers } = request;
  const { id, deadline } = inboundScope((name) => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  });
  // member by member: a spread costs as much as the whole scope
  const shed = exempt === undefined || !exempt(pathOf(targetOf(request)));
  return pastTheDoor(service, request, { id, deadline, timeoutMs, shed });
}

/** The request target as it came; frameworks cut off what they were mounted at. */
function targetOf(request: NodeRequest & { readonly originalUrl?: unknown }): string | undefined {
  return typeof request.originalUrl === 'string' ? request.originalUrl : request.url;
}
