import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { Controller, Get, Injectable, Module, type INestApplication, type Type } from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HoldfastModule, Service, isHoldfastError, listen } from '@holdfast/nestjs';
import { describe, expect, it } from 'vitest';

const platforms: readonly [string, (module: Type) => Promise<INestApplication>][] = [
  ['Express', (module) => NestFactory.create(module, new ExpressAdapter(), { logger: false })],
  ['Fastify', (module) => NestFactory.create(module, new FastifyAdapter(), { logger: false })],
];

const quiet = { port: 0, host: '127.0.0.1', signals: [], exit: 'none' } as const;

interface Recorded {
  readonly events: string[];
  readonly module: Type;
  /** Lets the start go on. */
  readonly start: () => void;
  /** Resolves when the start waits. */
  readonly starting: Promise<void>;
  /** Lets the request go on. */
  readonly answer: () => void;
  readonly asked: Promise<void>;
}

function recording(): Recorded {
  const events: string[] = [];
  const steps: Record<'start' | 'starting' | 'answer' | 'asked', () => void> = {
    start: () => {},
    starting: () => {},
    answer: () => {},
    asked: () => {},
  };
  const gate = (name: keyof typeof steps): Promise<void> =>
    new Promise((resolve) => {
      steps[name] = resolve;
    });
  const gates = {
    start: gate('start'),
    starting: gate('starting'),
    answer: gate('answer'),
    asked: gate('asked'),
  };

  @Injectable()
  class Database {
    async onModuleInit(): Promise<void> {
      steps.starting();
      await gates.start;
      events.push('opened');
    }

    onModuleDestroy(): void {
      events.push('closed');
    }

    onApplicationShutdown(signal?: string): void {
      events.push(`shut down by ${signal}`);
    }
  }

  @Controller()
  class SlowController {
    @Get('slow')
    async slow(): Promise<string> {
      steps.asked();
      await gates.answer;
      events.push('answered');
      return 'slow';
    }
  }

  @Module({
    imports: [HoldfastModule.forRoot({ name: 'app', shutdown: { budgetMs: 5_000 } })],
    controllers: [SlowController],
    providers: [Database],
  })
  class App {}

  return {
    events,
    module: App,
    start: () => steps.start(),
    starting: gates.starting,
    answer: () => steps.answer(),
    asked: gates.asked,
  };
}

describe.each(platforms)('listen() on %s', (_platform, create) => {
  it("finishes requests before Nest's hooks run, in the close phase", async () => {
    const { module, events, start, answer, asked } = recording();
    start();
    const app = await create(module);
    const server = await listen(app, quiet);
    const { port } = server.address() as AddressInfo;
    const slow = fetch(`http://127.0.0.1:${port}/slow`);
    await asked;
    const report = app.get(Service).shutdown({ cause: 'SIGTERM' });
    answer();
    expect((await slow).status).toBe(200);
    expect(await report).toMatchObject({ outcome: 'clean', hooks: [{ name: 'nestjs', outcome: 'ok' }] });
    expect(events).toEqual(['opened', 'answered', 'closed', 'shut down by SIGTERM']);
  });

  it('closes in the same order by app.close(), once, however often it is called', async () => {
    const { module, events, start, answer, asked } = recording();
    start();
    const app = await create(module);
    const server = await listen(app, quiet);
    const slow = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/slow`);
    await asked;
    const closed = Promise.all([app.close(), app.close()]);
    answer();
    expect((await slow).status).toBe(200);
    await closed;
    await app.close();
    expect(events).toEqual(['opened', 'answered', 'closed', 'shut down by undefined']);
    expect(await app.get(Service).shutdown()).toMatchObject({ cause: 'app.close()', outcome: 'clean' });
  });

  it('does not destroy beside a start that a signal interrupts', async () => {
    const { module, events, start, starting } = recording();
    const app = await create(module);
    const listening = listen(app, { ...quiet, signals: ['SIGTERM'] });
    await starting;
    process.kill(process.pid, 'SIGTERM');
    await new Promise<void>((resolve) => {
      const { aborted } = app.get(Service).signalAt('close');
      if (aborted) resolve();
      else
        app
          .get(Service)
          .signalAt('close')
          .addEventListener('abort', () => resolve());
    });
    events.push('asked to close');
    start();
    await expect(listening).rejects.toSatisfy((error) => isHoldfastError(error, 'SHUTTING_DOWN'));
    expect((await app.get(Service).shutdown()).cause).toBe('SIGTERM');
    expect(events).toEqual(['asked to close', 'opened', 'closed', 'shut down by SIGTERM']);
  });

  it('shuts down again where the start fails', async () => {
    const events: string[] = [];
    @Injectable()
    class Broken {
      onModuleInit(): void {
        throw new Error('no route');
      }
      onModuleDestroy(): void {
        events.push('closed');
      }
    }
    @Module({ imports: [HoldfastModule.forRoot({ name: 'app' })], providers: [Broken] })
    class App {}
    const app = await create(App);
    await expect(listen(app, quiet)).rejects.toThrow('no route');
    expect(await app.get(Service).shutdown()).toMatchObject({ outcome: 'failed' });
    expect(events).toEqual(['closed']);
  });

  it('shuts down again where a component cannot be opened, without waiting for itself', async () => {
    @Module({ imports: [HoldfastModule.forRoot({ name: 'app' })] })
    class App {}
    const app = await create(App);
    const service = app.get(Service);
    service.own({ name: 'database', open: () => Promise.reject(new Error('no route')) });
    await expect(listen(app, quiet)).rejects.toThrow('no route');
    const report = await service.shutdown();
    expect(report.outcome).toBe('failed');
    expect(report.hooks.map(({ name, outcome }) => `${name} ${outcome}`)).toContain('nestjs ok');
  });

  it('shuts down again where the port is taken', async () => {
    const first = recording();
    first.start();
    const one = await create(first.module);
    const { port } = (await listen(one, quiet)).address() as AddressInfo;
    const second = recording();
    second.start();
    const two = await create(second.module);
    await expect(listen(two, { ...quiet, port })).rejects.toThrow(/EADDRINUSE/);
    expect(second.events).toContain('closed');
    await one.close();
  });

  it("is Nest's own listen in all else: getUrl(), the adapter host, every address without a host", async () => {
    const { module, start } = recording();
    start();
    const app = await create(module);
    const server = await listen(app, { port: 0, signals: [], exit: 'none' });
    const { address, port } = server.address() as AddressInfo;
    expect(['::', '0.0.0.0']).toContain(address);
    expect(await app.getUrl()).toContain(String(port));
    expect(app.get(HttpAdapterHost).listening).toBe(true);
    await app.close();
  });
});

it('needs HoldfastModule', async () => {
  @Module({})
  class Bare {}
  const app = await NestFactory.create(Bare, new ExpressAdapter(), { logger: false });
  await expect(listen(app, quiet)).rejects.toThrow(/imports HoldfastModule/);
});
