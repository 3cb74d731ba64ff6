/** A request as all of the relay sees it. What frameworks do each in their own way (decoding, query strings) is done here, once. */
import type { IncomingMessage } from 'node:http';
import type { BodySource } from './body.ts';
import { malformed } from './request-error.ts';

/** One request. */
export interface RelayRequest extends BodySource {
  readonly method: string;
  /** Path and query as they stood on the request line. */
  readonly target: string;
}

/** The request that arrived at Node's server, under whatever framework: as such, or as the `raw` of what the framework made of it. */
export function requestOf(request: IncomingMessage | { readonly raw: IncomingMessage }): RelayRequest {
  const incoming = 'raw' in request ? request.raw : request;
  const { method = '', url = '/', headers } = incoming;
  return {
    method,
    target: url.replace(/^https?:\/\/[^/?#]*/i, ''), // a proxy's form names the host once more
    header: (name) => headers[name]?.toString(),
    // an iteration that is left early must leave the connection alone: the refusal still has to be written
    get body(): AsyncIterable<Uint8Array> {
      return incoming.iterator({ destroyOnReturn: false });
    },
  };
}

/** The path as it was sent, without the query. */
export function pathOf({ target }: RelayRequest): string {
  const end = target.indexOf('?');
  return end < 0 ? target : target.slice(0, end);
}

/** A member of the query; the first of several. */
export function queryOf({ target }: RelayRequest, name: string): string | undefined {
  const start = target.indexOf('?');
  return start < 0 ? undefined : (new URLSearchParams(target.slice(start + 1)).get(name) ?? undefined);
}

/** The last segment of the path, decoded. @throws RequestError BAD_REQUEST where it cannot be. */
export function lastSegmentOf(request: RelayRequest): string {
  const path = pathOf(request);
  const segment = decode(path.slice(path.lastIndexOf('/') + 1));
  if (segment === undefined) throw malformed();
  return segment;
}

/** A text without its percent-encoding; `undefined` where that is broken. */
export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
