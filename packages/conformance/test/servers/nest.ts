/** The suite's routes on Nest, put together as the README of @holdfast/nestjs says; a controller is made for each set of routes. */
import { Readable } from 'node:stream';
import { CurrentScope, HoldfastModule, Service, listen, type RequestScope } from '@holdfast/nestjs';
import {
  parseRoute,
  type Framework,
  type Handler,
  type Routes,
  type ServerOptions,
} from '@holdfast/conformance';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Module,
  Post,
  StreamableFile,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { portOf } from './port.ts';

/** Makes a Nest application of a module, on some platform. */
export type Create = (module: Type) => Promise<INestApplication>;

function controllerOf(routes: Routes): Type {
  @Controller()
  class Routed {}
  for (const [index, [route, handler]] of Object.entries(routes).entries()) {
    const { method, path } = parseRoute(route);
    const descriptor = { value: nestHandler(handler), configurable: true, writable: true };
    const key = `route${index}`;
    Object.defineProperty(Routed.prototype, key, descriptor);
    CurrentScope()(Routed.prototype, key, 0);
    Body()(Routed.prototype, key, 1);
    HttpCode(200)(Routed.prototype, key, descriptor);
    (method === 'post' ? Post : Get)(path)(Routed.prototype, key, descriptor);
  }
  return Routed;
}

function nestHandler(handler: Handler): (scope: RequestScope, body: unknown) => Promise<unknown> {
  return async (scope, body) => {
    const reply = await handler({ scope, body });
    if ('stream' in reply) return new StreamableFile(Readable.from(reply.stream, { objectMode: false }));
    return JSON.stringify(reply.json);
  };
}

function moduleOf({ service, routes, timeoutMs, exempt }: ServerOptions): Type {
  @Module({
    imports: [
      HoldfastModule.forRoot({ ...service, timeoutMs, exempt, problemDetails: true, healthRoutes: true }),
    ],
    controllers: [controllerOf(routes)],
  })
  class Root {}
  return Root;
}

/** The framework that `create` makes applications of. */
export function onNest(create: Create): Framework {
  return {
    async start(options) {
      const app = await create(moduleOf(options));
      const service = app.get(Service);
      options.prepare?.(service);
      const server = await listen(app, { port: 0, host: '127.0.0.1', signals: [], exit: 'none' });
      return { service, port: portOf(server) };
    },

    httpError: (status) => new HttpException(`status ${status}`, status),
  };
}
