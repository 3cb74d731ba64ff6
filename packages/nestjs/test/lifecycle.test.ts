import 'reflect-metadata';
import { Inject, Module, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { HoldfastModule, Service } from '@holdfast/nestjs';
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
