/**
 * The same hello-world route in each framework, as it is and as a service of Holdfast: with a request scope, Holdfast's errors as
 * problems, and a server that drains.
 */
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Service } from '@holdfast/core';
import {
  holdfast as onExpress,
  listen as listenExpress,
  problemDetails as expressProblems,
} from '@holdfast/express';
import { holdfast as onHono, problemDetails as honoProblems } from '@holdfast/hono';
import { listen as listenHono } from '@holdfast/hono/node';
import { HoldfastModule, listen as listenNest } from '@holdfast/nestjs';
import { getRequestListener } from '@hono/node-server';
import {
  Controller,
  Get,
  Module,
  type INestApplication,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express, { type Express } from 'express';
import { Hono } from 'hono';

/** Starts a server on a free port. */
export type Start = () => Promise<Server>;

/** A framework by itself, with a middleware that only opens an asynchronous context, and with Holdfast. */
export interface Trio {
  readonly bare: Start;
  readonly context: Start;
  readonly holdfast: Start;
}

const storage = new AsyncLocalStorage<object>();
const HELLO = { hello: 'world' };
const LISTEN = { port: 0, host: '127.0.0.1' } as const;

async function listening(server: Server): Promise<Server> {
  await once(server.listen(LISTEN), 'listening');
  return server;
}

function expressApp(): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  return app;
}

function honoServer(app: Hono): Server {
  return createServer(getRequestListener((request) => app.fetch(request)));
}

@Controller()
class Hello {
  @Get()
  hello(): object {
    return HELLO;
  }
}

function nestModule(...imports: NonNullable<ModuleMetadata['imports']>): Type {
  @Module({ imports, controllers: [Hello] })
  class Root {}
  return Root;
}

function nest(create: (module: Type) => Promise<INestApplication>): Trio {
  return {
    async bare() {
      const app = await create(nestModule());
      await app.listen(LISTEN.port, LISTEN.host);
      return app.getHttpServer();
    },
    async context() {
      const app = await create(nestModule());
      app.use((_req: unknown, _res: unknown, next: () => void) => storage.run({}, next));
      await app.listen(LISTEN.port, LISTEN.host);
      return app.getHttpServer();
    },
    async holdfast() {
      const app = await create(nestModule(HoldfastModule.forRoot({ name: 'hello', problemDetails: true })));
      return listenNest(app, LISTEN);
    },
  };
}

/** By name. */
export const trios: Readonly<Record<string, Trio>> = {
  Express: {
    bare: () => listening(createServer(expressApp().get('/', (_req, res) => void res.json(HELLO)))),
    context() {
      const app = expressApp().use((_req, _res, next) => storage.run({}, next));
      return listening(createServer(app.get('/', (_req, res) => void res.json(HELLO))));
    },
    holdfast() {
      const service = new Service({ name: 'hello' });
      const app = expressApp();
      app.use(onExpress({ service }));
      app.get('/', (_req, res) => void res.json(HELLO));
      app.use(expressProblems());
      return listenExpress(app, { service, ...LISTEN });
    },
  },
  'Hono on Node': {
    bare: () => listening(honoServer(new Hono().get('/', (c) => c.json(HELLO)))),
    context: () => {
      const app = new Hono().use((_c, next) => storage.run({}, next));
      return listening(honoServer(app.get('/', (c) => c.json(HELLO))));
    },
    holdfast() {
      const service = new Service({ name: 'hello' });
      const app = new Hono().use(onHono({ service })).get('/', (c) => c.json(HELLO));
      app.onError(honoProblems());
      return listenHono(app, { service, ...LISTEN });
    },
  },
  'NestJS on Express': nest((module) => NestFactory.create(module, new ExpressAdapter(), { logger: false })),
  'NestJS on Fastify': nest((module) => NestFactory.create(module, new FastifyAdapter(), { logger: false })),
};
