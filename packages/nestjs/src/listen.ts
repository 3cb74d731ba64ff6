/** A Nest application as a service: start, signals, drain, report, exit code; Nest's own hooks run in the close phase. */
import type { Server } from 'node:http';
import { Service } from '@holdfast/core';
import type { ListenOptions } from '@holdfast/node';
import { listenServer } from '@holdfast/node/internal';
import type { INestApplication } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { HoldfastModule } from './holdfast.module.ts';
import { Lifecycle } from './lifecycle.ts';

/**
 * Starts the application, listens, and drains both when the process is told to end. It owns the signals: leave
 * `enableShutdownHooks()` off.
 *
 * @example
 * const app = await NestFactory.create(AppModule);
 * await listen(app, { port: 3000 });
 *
 * @throws Error where the application does not import HoldfastModule.
 */
export async function listen(
  app: INestApplication,
  options: Omit<ListenOptions, 'service'>,
): Promise<Server> {
  const modules = [...app.get(ModulesContainer).values()];
  if (!modules.some(({ metatype }) => metatype === HoldfastModule))
    throw new Error('listen() needs an application that imports HoldfastModule'); // app.get() would end the process
  const service = app.get(Service, { strict: false });
  let initialised: Promise<unknown> | undefined;
  app
    .get(Lifecycle, { strict: false })
    .closeLast(app, () => initialised?.catch(() => undefined) ?? Promise.resolve());
  return listenServer<Server>(
    app.getHttpServer(),
    { ...options, service },
    {
      prepare: () => (initialised = app.init()),
      // without a host Fastify would listen on localhost alone; an empty one is every address, as everywhere else
      listen: () => app.listen(options.port, options.host ?? ''),
    },
  );
}
