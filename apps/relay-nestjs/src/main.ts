/** The relay on NestJS, as a program. */
import 'reflect-metadata';
import { listen } from '@holdfast/nestjs';
import { runRelay } from '@holdfast-app/relay';
import { NestFactory } from '@nestjs/core';
import { platformAdapter } from './platform.ts';
import { RelayModule } from './relay.module.ts';

await runRelay(async (config) => {
  const app = await NestFactory.create(RelayModule.forRoot(config), platformAdapter(config), {
    bodyParser: false,
    abortOnError: false,
    logger: ['warn', 'error'],
  });
  return listen(app, { host: config.host, port: config.port });
});
