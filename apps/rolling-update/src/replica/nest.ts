/** A replica on Nest, without Holdfast. What it accepted is waited for in the hook that comes after its server has closed. */
import 'reflect-metadata';
import type { Server } from 'node:http';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Inject,
  Module,
  Post,
  type NestApplicationOptions,
  type OnApplicationShutdown,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { StrategyName } from '../strategies.ts';
import { Backlog } from './backlog.ts';
import type { Started } from './started.ts';
import type { Item } from './work.ts';

@Controller()
class Items implements OnApplicationShutdown {
  constructor(@Inject(Backlog) private readonly backlog: Backlog) {}

  @Get('readyz')
  ready(): void {}

  @Post('items')
  @HttpCode(202)
  async create(@Body() { id }: Item): Promise<void> {
    await this.backlog.accept(id);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.backlog.idle();
  }
}

function moduleOf(backlog: Backlog): Type {
  @Module({ controllers: [Items], providers: [{ provide: Backlog, useValue: backlog }] })
  class Replica {}
  return Replica;
}

/** Starts it on a platform, with Nest's own shutdown hooks where the strategy is one of Nest's. */
export async function startNest(
  backlog: Backlog,
  platform: 'express' | 'fastify',
  strategy: StrategyName,
): Promise<Started> {
  const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const options: NestApplicationOptions = {
    logger: ['warn', 'error'],
    return503OnClosing: strategy === 'nest-hooks-503',
  };
  const app = await NestFactory.create(moduleOf(backlog), adapter, options);
  if (strategy.startsWith('nest-hooks')) app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  const close = (): Promise<void> => app.close();
  return { server: app.getHttpServer() as Server, close, cleanUp: close };
}
