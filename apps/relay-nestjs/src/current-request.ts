/** The request as the relay sees it, for a parameter of a handler, whichever server is under Nest. */
import type { IncomingMessage } from 'node:http';
import { requestOf, type RelayRequest } from '@holdfast-app/relay';
import { createParamDecorator, type ArgumentsHost } from '@nestjs/common';

export type { RelayRequest };

/** Express has Node's request itself, Fastify keeps it as `raw`. */
export function relayRequest(host: ArgumentsHost): RelayRequest {
  const request: IncomingMessage | { readonly raw: IncomingMessage } = host.switchToHttp().getRequest();
  return requestOf('raw' in request ? request.raw : request);
}

/** Injects the RelayRequest. */
export const CurrentRequest: () => ParameterDecorator = createParamDecorator((_, host) => relayRequest(host));
