/** The relay on NestJS, as a program. */
import 'reflect-metadata';
import { listen } from '@holdfast/nestjs';
import { runRelay } from '@holdfast-app/relay';
import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { platformAdapter } from './platform.ts';
import { RelayModule } from './relay.module.ts';

const options: NestApplicationOptions = { bodyParser: false, abortOnError: false, logger: ['warn', 'error'] };

await runRelay(async (config) => {
  const app = await NestFactory.create(RelayModule.forRoot(config), platformAdapter(config), options);
  return listen(app, { host: config.host, port: config.port });
});
