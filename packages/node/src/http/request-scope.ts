/**
 * The scope of one request on Node's own request and response: opened at the door, found again by its response, ended when the
 * response has ended. A response that was closed before it was finished means that the caller left.
 */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { OpenScopeOptions, RequestScope, ScopeHandle, Service } from '@holdfast/core';
import { EXECUTION, Execution, inboundScope } from '@holdfast/core/internal';
import { isLate } from './late-request.ts';
import { whenResponseEnds, type NodeResponse } from './response-end.ts';

/** Node's request, of HTTP/1 or HTTP/2. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

const HANDLE: unique symbol = Symbol('holdfast.scope');

interface Scoped {
  [HANDLE]?: ScopeHandle;
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
  { timeoutMs }: { readonly timeoutMs?: number | undefined },
): ScopeHandle {
  const outer = response[HANDLE];
  const inbound = outer === undefined ? inboundOf(service, request) : outer.scope;
  const handle = service.openScope({ ...inbound, timeoutMs });
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

function inboundOf(service: Service, request: NodeRequest): OpenScopeOptions {
  const inbound = inboundScope((name) => request.headers[name]?.toString());
  // a request that its server serves although it came late passes the door
  const late = { ...inbound, [EXECUTION]: new Execution(undefined, service) };
  return isLate(request) ? late : inbound;
}
