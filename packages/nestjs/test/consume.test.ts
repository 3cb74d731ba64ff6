import 'reflect-metadata';
import { Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  BoundedQueue,
  CircuitBreaker,
  Consume,
  HoldfastModule,
  JobQueue,
  Policy,
  Service,
  isHoldfastError,
  type ItemContext,
  type JobContext,
} from '@holdfast/nestjs';
import { describe, expect, it, vi } from 'vitest';

interface Order {
  readonly id: string;
}

class Orders extends BoundedQueue<Order> {
  constructor() {
    super({ name: 'orders', capacity: 10 });
  }
}

class Mails extends JobQueue<string> {
  constructor() {
    super({ name: 'mails', url: 'memory:' });
  }
}

@Injectable()
class Log {
  readonly lines: string[] = [];
}

@Injectable()
class OrderConsumer {
  constructor(@Inject(Log) private readonly log: Log) {}

  @Consume(Orders, { concurrency: 2 })
  async handle(order: Order, ctx: ItemContext): Promise<void> {
    await Promise.resolve();
    this.log.lines.push(`${order.id} attempt ${ctx.attempt}`);
  }
}

async function start(providers: readonly Provider[]): Promise<TestingModule> {
  const moduleRef = await Test.createTestingModule({
    imports: [HoldfastModule.forRoot({ name: 'app', shutdown: { budgetMs: 2_000 } })],
    providers: [Log, ...providers],
  }).compile();
  await moduleRef.init();
  return moduleRef;
}

describe('@Consume()', () => {
  it('handles the items of a bounded queue, with `this` and context, and is drained at the shutdown', async () => {
    const moduleRef = await start([Orders, OrderConsumer]);
    for (const id of ['a', 'b', 'c']) await moduleRef.get(Orders).put({ id });
    expect((await moduleRef.get(Service).shutdown()).outcome).toBe('clean');
    expect(moduleRef.get(Log).lines).toEqual(['a attempt 1', 'b attempt 1', 'c attempt 1']);
    await moduleRef.close();
  });

  it('handles the jobs of a job queue', async () => {
    @Injectable()
    class MailConsumer {
      constructor(@Inject(Log) private readonly log: Log) {}

      @Consume(Mails, { concurrency: 1 })
      async send(to: string, ctx: JobContext): Promise<void> {
        await Promise.resolve();
        this.log.lines.push(`${ctx.id}: ${to}`);
      }
    }
    const moduleRef = await start([Mails, MailConsumer]);
    await moduleRef.get(Mails).enqueue('ada@example.com', { id: 'welcome' });
    await vi.waitFor(() => expect(moduleRef.get(Log).lines).toEqual(['welcome: ada@example.com']));
    await moduleRef.close();
  });

  it('takes queues registered under a name', async () => {
    @Injectable()
    class NamedConsumer {
      constructor(@Inject(Log) private readonly log: Log) {}

      @Consume('ORDERS')
      handle(order: Order): void {
        this.log.lines.push(order.id);
      }
    }
    const queue = new BoundedQueue<Order>({ name: 'named', capacity: 1 });
    const moduleRef = await start([{ provide: 'ORDERS', useValue: queue }, NamedConsumer]);
    await queue.put({ id: 'a' });
    await moduleRef.close();
    expect(moduleRef.get(Log).lines).toEqual(['a']);
  });

  it('starts no consumer before the application has started', async () => {
    const moduleRef = await Test.createTestingModule({
      imports: [HoldfastModule.forRoot({ name: 'app' })],
      providers: [Log, Orders, OrderConsumer],
    }).compile();
    await moduleRef.get(Orders).put({ id: 'early' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(moduleRef.get(Log).lines).toEqual([]);
    await moduleRef.init();
    await vi.waitFor(() => expect(moduleRef.get(Log).lines).toHaveLength(1));
    await moduleRef.close();
  });

  it('consumes once, however many tokens lead to the consumer', async () => {
    const consumer = { provide: OrderConsumer, useClass: OrderConsumer };
    const again = { provide: 'SAME', useFactory: (one: OrderConsumer) => one, inject: [OrderConsumer] };
    const moduleRef = await start([
      Orders,
      consumer,
      { provide: 'ALIAS', useExisting: OrderConsumer },
      again,
    ]);
    await moduleRef.get(Orders).put({ id: 'a' });
    await moduleRef.close();
    expect(moduleRef.get(Log).lines).toEqual(['a attempt 1']);
  });

  it('inherits to subclasses, which may override the method', async () => {
    @Injectable()
    class Special extends OrderConsumer {
      override async handle(order: Order, ctx: ItemContext): Promise<void> {
        await super.handle({ id: `special ${order.id}` }, ctx);
      }
    }
    @Injectable()
    class Same extends OrderConsumer {}
    const moduleRef = await start([Orders, Special, Same]);
    await moduleRef.get(Orders).put({ id: 'a' });
    await moduleRef.close();
    expect(moduleRef.get(Log).lines).toEqual(['a attempt 1']);
  });

  it('leaves request-scoped consumers alone, with a warning', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @Consume(Orders)
      handle(): void {}
    }
    const warnings: unknown[] = [];
    const moduleRef = await Test.createTestingModule({
      imports: [HoldfastModule.forRoot({ name: 'app' })],
      providers: [Orders, PerRequest],
    })
      .setLogger({ log: () => {}, error: () => {}, warn: (message: unknown) => warnings.push(message) })
      .compile();
    await moduleRef.init();
    expect(warnings).toEqual([expect.stringContaining('PerRequest.handle')]);
    await moduleRef.close();
  });

  it('names what is wrong: no such provider, no queue, no token', async () => {
    class Lost {
      @Consume('NOWHERE')
      handle(): void {}
    }
    class Wrong {
      @Consume('NO_QUEUE')
      handle(): void {}
    }
    await expect(start([Lost])).rejects.toThrow(/NOWHERE/);
    await expect(start([Wrong, { provide: 'NO_QUEUE', useValue: {} }])).rejects.toThrow(
      /Wrong.handle.*not a queue/,
    );
    expect(() => Consume(undefined as never)({}, 'handle', { value: () => {} })).toThrow(/import each other/);
  });

  it('types the method by the queue', () => {
    class Typed {
      // @ts-expect-error the items are orders
      @Consume(Orders)
      wrong(_item: number): void {}
    }
    expect(Typed).toBeDefined();
  });
});

describe('components among the providers', () => {
  it('are owned by the service, each once, from the start of the application on', async () => {
    const moduleRef = await start([Orders, Mails, { provide: 'ALIAS', useExisting: Orders }]);
    const service = moduleRef.get(Service);
    expect(service.get('orders')).toBe(moduleRef.get(Orders));
    expect(service.get('mails')).toBe(moduleRef.get(Mails));
    await service.shutdown();
    const put = moduleRef.get(Orders).put({ id: 'late' });
    await expect(put).rejects.toSatisfy((error) => isHoldfastError(error, 'SHUTTING_DOWN'));
    await moduleRef.close();
  });

  it("are only Holdfast's own: other classes join by service.own(this)", async () => {
    const drain = vi.fn<() => void>();
    const lookalike = { name: 'bullmq', close: () => {}, drain, health: () => {} };
    class Own {
      readonly name = 'own';
      constructor(@Inject(Service) service: Service) {
        service.own(this);
      }
    }
    const nothing: unknown = Object.create(null);
    const moduleRef = await start([
      { provide: 'LOOKALIKE', useValue: lookalike },
      { provide: 'NOTHING', useValue: nothing },
      { provide: 'NULL', useValue: null },
      Own,
    ]);
    expect(moduleRef.get(Service).get('bullmq')).toBeUndefined();
    expect(moduleRef.get(Service).get('own')).toBe(moduleRef.get(Own));
    await moduleRef.close();
    expect(drain).not.toHaveBeenCalled();
  });

  it('may be policies and breakers that nobody named, as in tests', async () => {
    const warnings: unknown[] = [];
    const moduleRef = await Test.createTestingModule({
      imports: [HoldfastModule.forRoot({ name: 'app' })],
      providers: [
        { provide: 'PAYMENTS', useValue: new Policy({}) },
        { provide: 'SHIPPING', useValue: new Policy({}) },
        { provide: 'BREAKER', useValue: new CircuitBreaker({ name: 'breaker' }) },
      ],
    })
      .setLogger({ log: () => {}, error: () => {}, warn: (message: unknown) => warnings.push(message) })
      .compile();
    await moduleRef.init();
    expect(moduleRef.get(Service).get('policy')).toBe(moduleRef.get('PAYMENTS'));
    expect(moduleRef.get(Service).get('breaker')).toBe(moduleRef.get('BREAKER'));
    expect(warnings).toEqual([expect.stringContaining('"policy"')]);
    await moduleRef.close();
  });

  it('must have different names where they hold work', async () => {
    class Second extends BoundedQueue<Order> {
      constructor() {
        super({ name: 'orders', capacity: 1 });
      }
    }
    await expect(start([Orders, Second])).rejects.toThrow(/orders/);
  });
});
