/** A replica on Nest with Holdfast. */
import 'reflect-metadata';
import type { Server } from 'node:http';
import {
  BoundedQueue,
  Consume,
  CurrentScope,
  HoldfastModule,
  listen,
  type RequestScope,
  type ShutdownOptions,
} from '@holdfast/nestjs';
import { Body, Controller, HttpCode, Inject, Injectable, Module, Post, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { beforeAccepting, CAPACITY, CONCURRENCY, type Item } from './work.ts';

class Items extends BoundedQueue<string> {
  constructor() {
    super({ name: 'items', capacity: CAPACITY });
  }
}

@Controller('items')
class ItemsController {
  constructor(@Inject(Items) private readonly items: Items) {}

  @Post()
  @HttpCode(202)
  async create(@Body() { id }: Item, @CurrentScope() scope: RequestScope): Promise<void> {
    await beforeAccepting();
    await this.items.put(id, scope);
  }
}

function moduleOf(processItem: (id: string) => Promise<void>, shutdown: ShutdownOptions): Type {
  @Injectable()
  class Processor {
    @Consume(Items, { concurrency: CONCURRENCY })
    async process(id: string): Promise<void> {
      await processItem(id);
    }
  }

  @Module({
    imports: [
      HoldfastModule.forRoot({ name: 'replica', shutdown, problemDetails: true, healthRoutes: true }),
    ],
    controllers: [ItemsController],
    providers: [Items, Processor],
  })
  class Replica {}
  return Replica;
}

/** Starts it on a platform. */
export async function startHoldfastNest(
  processItem: (id: string) => Promise<void>,
  shutdown: ShutdownOptions,
  platform: 'express' | 'fastify',
): Promise<Server> {
  const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(moduleOf(processItem, shutdown), adapter, {
    logger: ['warn', 'error'],
  });
  return listen(app, { port: 0, host: '127.0.0.1' });
}
