/**
 * The scope of one request on Node's own request and response: opened at the door, found again by its response, ended when the
 * response has ended. A response that was closed before it was finished means that the caller left.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { RequestScope, ScopeHandle, Service } from '@holdfast/core';
import { inboundScope } from '@holdfast/core/internal';

/** Node's request, of HTTP/1 or HTTP/2. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** Node's response, of HTTP/1 or HTTP/2. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

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
  const inbound = outer === undefined ? inboundOf(request) : outer.scope;
  const handle = service.openScope({ ...inbound, timeoutMs });
  response[HANDLE] = handle;
  const ended = (): void => {
    if (response.writableFinished) handle.end();
    else handle.disconnect();
  };
  response.once('close', ended);
  // A response that waits behind a pipelined one gets no `close` when the connection goes; its request does.
  if (response.socket === null) request.once('close', ended);
  return handle;
}

/** The scope that was opened for the request which `response` answers. */
export function requestScopeOf(response: NodeResponse & Scoped): RequestScope | undefined {
  return response[HANDLE]?.scope;
}

function inboundOf({ headers }: NodeRequest): ReturnType<typeof inboundScope> {
  return inboundScope((name) => headers[name]?.toString());
}
