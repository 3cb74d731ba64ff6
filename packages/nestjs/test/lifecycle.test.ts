import 'reflect-metadata';
import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type INestApplication,
  type MiddlewareConsumer,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { HoldfastModule, Service, doctor, listen } from '@holdfast/nestjs';
import { describe, expect, it } from 'vitest';

const platforms: readonly [string, (module: Type) => Promise<INestApplication>][] = [
  ['Express', (module) => NestFactory.create(module, new ExpressAdapter(), { logger: false })],
  ['Fastify', (module) => NestFactory.create(module, new FastifyAdapter(), { logger: false })],
];

/** An application that writes down in which order things happen to it. */
function recording(events: string[]): Type {
  class Database {
    constructor(@Inject(Service) service: Service) {
      service.onShutdown('queue', () => events.push('service closes'));
    }

    onModuleDestroy(): void {
      events.push('onModuleDestroy');
    }

    beforeApplicationShutdown(): void {
      events.push('beforeApplicationShutdown');
    }

    onApplicationShutdown(): void {
      events.push('onApplicationShutdown');
    }
  }

  @Module({ imports: [HoldfastModule.forRoot({ name: 'app' })], providers: [Database] })
  class App {}
  return App;
}

describe.each(platforms)('app.close() on %s', (_platform, create) => {
  it("runs the service's shutdown before the first of Nest's hooks", async () => {
    const events: string[] = [];
    const app = await create(recording(events));
    await app.init();
    await app.close();
    expect(events).toEqual([
      'service closes',
      'onModuleDestroy',
      'beforeApplicationShutdown',
      'onApplicationShutdown',
    ]);
    expect(app.get(Service).state).toBe('stopped');
    expect(await app.get(Service).shutdown()).toMatchObject({ cause: 'app.close()', outcome: 'clean' });
  });

  it('finishes requests and tells clients to leave, also where the application listens by itself', async () => {
    const steps = new EventEmitter();
    const asked = once(steps, 'asked');
    const released = once(steps, 'released');
    @Controller()
    class Slow {
      @Get()
      async get(): Promise<string> {
        steps.emit('asked');
        await released;
        return 'slow';
      }
    }
    @Module({ imports: [HoldfastModule.forRoot({ name: 'app' })], controllers: [Slow] })
    class App {}
    const app = await create(App);
    const server: Server = await app.listen(0, '127.0.0.1');
    const answer = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await asked;
    const closed = app.close();
    steps.emit('released');
    expect([(await answer).status, (await answer).headers.get('connection')]).toEqual([200, 'close']);
    await closed;
    const report = await app.get(Service).shutdown();
    expect(report).toMatchObject({ outcome: 'clean', requests: { drained: 1, cancelled: 0 } });
  });

  it('may be called twice, at once and afterwards', async () => {
    const events: string[] = [];
    const app = await create(recording(events));
    await app.init();
    await Promise.all([app.close(), app.close()]);
    expect(events.filter((event) => event === 'service closes')).toHaveLength(1);
    await app.close();
    expect(events.filter((event) => event === 'service closes')).toHaveLength(1);
  });
});

it('the report names whatever hook of Nest fails: of providers, controllers, guards, middlewares and what is transient', async () => {
  class Fails {
    onModuleDestroy(): void {
      throw new Error('cannot close');
    }
  }
  class FailingProvider extends Fails {}
  @Injectable()
  class FailingGuard extends Fails {
    canActivate(): boolean {
      return true;
    }
  }
  @Injectable()
  class FailingMiddleware extends Fails {
    use(_request: unknown, _response: unknown, next: () => void): void {
      next();
    }
  }
  @Injectable({ scope: Scope.TRANSIENT })
  class FailingTransient extends Fails {}
  @Controller()
  @UseGuards(FailingGuard)
  class FailingController extends Fails {
    constructor(@Inject(FailingTransient) readonly transient: FailingTransient) {
      super();
    }
  }
  @Module({
    imports: [HoldfastModule.forRoot({ name: 'app' })],
    providers: [FailingProvider, FailingTransient],
    controllers: [FailingController],
  })
  class App extends Fails {
    configure(consumer: MiddlewareConsumer): void {
      consumer.apply(FailingMiddleware).forRoutes('*path');
    }
  }
  const app = await NestFactory.create(App, new ExpressAdapter(), { logger: false });
  await listen(app, { port: 0, host: '127.0.0.1', exit: 'none' });
  const { hooks, outcome } = await app.get(Service).shutdown();
  expect(outcome).toBe('failed');
  const [, named = ''] = /Nest's hooks failed: (.*)$/.exec(String(hooks[0]?.error)) ?? [];
  expect(named.split(', ').toSorted()).toEqual(
    [
      'App',
      'FailingController',
      'FailingGuard',
      'FailingMiddleware',
      'FailingProvider',
      'FailingTransient',
    ].map((name) => `${name}.onModuleDestroy`),
  );
});

it('the doctor sees return503OnClosing, which answers 503 to what the balancer still sends', async () => {
  @Module({ imports: [HoldfastModule.forRoot({ name: 'app' })] })
  class App {}
  const codesOf = async (options: NestApplicationOptions): Promise<readonly string[]> => {
    const app = await NestFactory.create(App, new ExpressAdapter(), { logger: false, ...options });
    const { findings } = doctor(app.get(Service), { app });
    await app.close();
    return findings.map(({ code }) => code);
  };
  expect(await codesOf({ return503OnClosing: true })).toContain('rejects-while-closing');
  expect(await codesOf({})).not.toContain('rejects-while-closing');
});

describe('without an HTTP server', () => {
  it('shuts down with an application context', async () => {
    const events: string[] = [];
    const context = await NestFactory.createApplicationContext(recording(events), { logger: false });
    expect(context.get(Service).state).toBe('running');
    await context.close();
    expect(events).toContain('service closes');
    expect(context.get(Service).state).toBe('stopped');
  });

  it('shuts down with a testing module', async () => {
    const events: string[] = [];
    const moduleRef = await Test.createTestingModule({ imports: [recording(events)] }).compile();
    await moduleRef.init();
    expect((await moduleRef.get(Service).shutdown()).outcome).toBe('clean');
    await moduleRef.close();
    expect(events.filter((event) => event === 'service closes')).toHaveLength(1);
  });
});
