import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  BulkheadFullError,
  CurrentScope,
  HoldfastModule,
  OverloadedError,
  Service,
  currentScope,
  type HoldfastModuleOptions,
  type RequestScope,
} from '@holdfast/nestjs';
import {
  Body,
  Controller,
  Get,
  Header,
  Module,
  Param,
  Post,
  UseGuards,
  UseInterceptors,
  type INestApplication,
  type MiddlewareConsumer,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { tap } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';

const platforms: readonly [string, (module: Type) => Promise<INestApplication>][] = [
  ['Express', (module) => NestFactory.create(module, new ExpressAdapter(), { logger: false })],
  ['Fastify', (module) => NestFactory.create(module, new FastifyAdapter(), { logger: false })],
];

const seen: string[] = [];
const stops: (() => Promise<void>)[] = [];

function see(where: string): true {
  if (currentScope() !== undefined) seen.push(where);
  return true;
}

function seeing(_req: unknown, _res: unknown, next: () => void): void {
  see('middleware');
  next();
}

@Controller()
class AppController {
  @Post('scope')
  @UseGuards({ canActivate: () => see('guard') })
  @UseInterceptors({
    intercept: (_context, next) => {
      see('interceptor');
      return next.handle().pipe(tap(() => see('interceptor after')));
    },
  })
  async scope(
    @Body({ transform: (value: unknown) => (see('pipe'), value) }) body: unknown,
    @CurrentScope() scope: RequestScope,
  ): Promise<unknown> {
    await delay(1);
    return { same: currentScope() === scope, body };
  }

  @Get('full/:name')
  @Header('x-trace', '7')
  full(@Param('name') name: string): void {
    throw new BulkheadFullError(name, 1, 0);
  }

  @Get('remaining')
  remaining(@CurrentScope() { deadline }: RequestScope): number {
    return deadline?.remainingMs ?? 0;
  }
}

function moduleOf(options: Partial<HoldfastModuleOptions>): Type {
  @Module({
    imports: [HoldfastModule.forRoot({ name: 'app', ...options })],
    controllers: [AppController],
  })
  class App {
    configure(consumer: MiddlewareConsumer): void {
      consumer.apply(seeing).forRoutes(AppController);
    }
  }
  return App;
}

afterEach(async () => {
  seen.length = 0;
  for (const stop of stops.splice(0)) await stop();
});

describe.each(platforms)('on %s', (_platform, create) => {
  async function start(
    options: Partial<HoldfastModuleOptions>,
    prepare: (app: INestApplication) => void = () => {},
  ): Promise<string> {
    const app = await create(moduleOf(options));
    prepare(app);
    const server: Server = await app.listen(0, '127.0.0.1');
    stops.push(() => app.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('the scope surrounds middleware, guards, interceptors, pipes and the handler, also of a request with a body', async () => {
    const base = await start({});
    const body = JSON.stringify({ text: 'x'.repeat(90_000) });
    const answer = await fetch(`${base}/scope`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(await answer.json()).toEqual({ same: true, body: JSON.parse(body) });
    expect(seen).toEqual(['middleware', 'guard', 'interceptor', 'pipe', 'interceptor after']);
  });

  it('answers problems with headers that were set before, and with those of CORS', async () => {
    const base = await start({ problemDetails: true }, (app) => app.enableCors());
    const answer = await fetch(`${base}/full/pay`, { headers: { origin: 'http://elsewhere' } });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(await answer.json()).toMatchObject({
      code: 'BULKHEAD_FULL',
      detail: expect.stringContaining('pay'),
    });
  });

  it('answers problems at the door as well, where Nest has no handler yet', async () => {
    const base = await start({ problemDetails: true }, (app) => {
      app.enableCors();
      app
        .get(Service)
        .own({ name: 'loop', overload: () => new OverloadedError('Too much', { retryAfterMs: 1 }) });
    });
    const answer = await fetch(`${base}/remaining`, { headers: { origin: 'http://elsewhere' } });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(await answer.json()).toMatchObject({ code: 'OVERLOADED' });
  });

  it('leaves errors to Nest where problem details were not asked for', async () => {
    const base = await start({});
    const answer = await fetch(`${base}/full/pay`);
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).not.toMatch(/problem/);
  });

  it('answers health at the root under a global prefix, and has the scope below it', async () => {
    const base = await start({ healthRoutes: true, timeoutMs: 5_000 }, (app) => app.setGlobalPrefix('api'));
    expect((await fetch(`${base}/livez`)).status).toBe(200);
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
    expect((await fetch(`${base}/metrics`)).status).toBe(200);
    expect((await fetch(`${base}/livez`, { method: 'POST' })).status).toBe(404);
    expect(await (await fetch(`${base}/api/remaining`)).json()).toBeGreaterThan(4_000);
  });

  it('has no health routes unless asked for', async () => {
    const base = await start({});
    expect((await fetch(`${base}/livez`)).status).toBe(404);
  });
});
