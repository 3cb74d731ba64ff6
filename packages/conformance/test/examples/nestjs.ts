import { Controller, Inject, Injectable, Module, Post, Body } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  BoundedQueue,
  Consume,
  CurrentScope,
  HoldfastModule,
  Policy,
  Resilient,
  Service,
  listen,
} from '@holdfast/nestjs';
import type { ItemContext, RequestScope, WorkContext } from '@holdfast/nestjs';

interface Order {
  id: string;
  cents: number;
}

class Orders extends BoundedQueue<Order> {
  constructor() {
    super({ name: 'orders', capacity: 500 });
  }
}
class Payments extends Policy {}

@Injectable()
class PaymentService {
  @Resilient(Payments)
  async charge(order: Order, ctx?: WorkContext): Promise<string> {
    const response = await fetch(`https://pay.example/${order.id}`, {
      method: 'POST',
      signal: ctx?.signal ?? null,
    });
    return response.text();
  }
}

@Injectable()
class OrderConsumer {
  constructor(@Inject(PaymentService) private readonly payments: PaymentService) {}
  @Consume(Orders, { concurrency: 8 })
  async handle(order: Order, ctx: ItemContext): Promise<void> {
    await this.payments.charge(order, ctx);
  }
}

@Controller('orders')
class OrderController {
  constructor(@Inject(Orders) private readonly orders: Orders) {}
  @Post() async create(
    @Body() order: Order,
    @CurrentScope() scope: RequestScope,
  ): Promise<{ status: string }> {
    await this.orders.put(order, { ...scope, maxWaitMs: 250 });
    scope.background(
      async () => {
        /* audit */
      },
      { after: 'response', name: 'audit' },
    );
    return { status: 'queued' };
  }
}

@Module({
  imports: [
    ConfigModule.forRoot(),
    HoldfastModule.forRootAsync({
      isGlobal: true,
      imports: [ConfigModule],
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        name: 'orders',
        shutdown: { budgetMs: config.get<number>('SHUTDOWN_MS') },
        problemDetails: true,
      }),
    }),
  ],
  controllers: [OrderController],
  providers: [
    Orders,
    PaymentService,
    OrderConsumer,
    {
      provide: Payments,
      inject: [ConfigService],
      useFactory: (config: ConfigService) =>
        new Payments({ name: 'payments', timeoutMs: config.get<number>('PAY_MS'), breaker: {} }),
    },
  ],
})
class AppModule {}

export async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  await listen(app, { port: 3000 });
}

export async function unitTest(): Promise<void> {
  const moduleRef = await Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(Payments)
    .useValue(new Payments({}))
    .compile();
  await moduleRef.init();
  await moduleRef.get(Orders).put({ id: '1', cents: 5 });
  const report = await moduleRef.get(Service).shutdown();
  if (report.outcome !== 'clean') throw new Error('lost');
}
