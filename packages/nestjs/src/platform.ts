/**
 * Express and Fastify under one roof. Both give Node's own request and response to what `httpAdapter.use()` mounts, and mount it
 * before every middleware and route of the application, whatever its global prefix is; Fastify wraps them for handlers.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Service } from '@holdfast/core';
import { drainServer, type AnyServer } from '@holdfast/node';
import { answerHealth, isDrained, openRequestScope } from '@holdfast/node/internal';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { HoldfastModuleOptions } from './module-options.ts';

/** What handlers and filters see as the response: an Express response, a Fastify reply, or Node's own. */
export type PlatformResponse = ServerResponse | { readonly raw: ServerResponse };

/** Node's response behind it. */
export function rawResponse(response: PlatformResponse): ServerResponse {
  return 'raw' in response ? response.raw : response;
}

type Next = (error?: unknown) => void;

const HEALTH_PATH = /^\/(?:livez|startupz|readyz|metrics)(?:\?|$)/;

/** Gives the application's server to the service, however the application listens. */
export function drain(adapter: AbstractHttpAdapter, service: Service): void {
  const server: AnyServer = adapter.getHttpServer();
  if (!isDrained(service, server)) drainServer(service, server);
}

/** Mounts the health routes, where asked for, and the request scope. */
export function mount(adapter: AbstractHttpAdapter, service: Service, options: HoldfastModuleOptions): void {
  const { healthRoutes = false, timeoutMs, exempt } = options;
  if (healthRoutes) mountHealth(adapter, service);
  adapter.use((request: IncomingMessage, response: ServerResponse, next: Next) => {
    openRequestScope(service, request, response, { timeoutMs, exempt }).run(next);
  });
}

function mountHealth(adapter: AbstractHttpAdapter, service: Service): void {
  const health = answerHealth(service);
  const answer = async (request: IncomingMessage, response: ServerResponse, next: Next): Promise<void> => {
    try {
      await health(request, response);
    } catch (error) {
      next(error);
    }
  };
  adapter.use((request: IncomingMessage, response: ServerResponse, next: Next) => {
    const asked = request.method === 'GET' || request.method === 'HEAD';
    if (asked && HEALTH_PATH.test(request.url ?? '')) void answer(request, response, next);
    else next();
  });
}
