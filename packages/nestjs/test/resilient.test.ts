import 'reflect-metadata';
import { Get, Inject, Injectable, Scope, type Provider } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Consume,
  HoldfastModule,
  Policy,
  Resilient,
  Service,
  isHoldfastError,
  type CallOptions,
  type Guard,
  type ItemContext,
  type RequestScope,
  type Work,
  type WorkContext,
} from '@holdfast/nestjs';
import { describe, expect, it } from 'vitest';

type Method = (...args: unknown[]) => unknown;

/** Starts everything twice, each time with a signal of its own, and remembers what it was asked with. */
class Twice implements Guard {
  readonly calls: (CallOptions | undefined)[] = [];

  async execute<T>(fn: Work<T>, options?: CallOptions): Promise<T> {
    this.calls.push(options);
    await fn({ signal: AbortSignal.abort('first'), deadline: undefined });
    return fn({ signal: AbortSignal.abort('second'), deadline: undefined });
  }
}

@Injectable()
class Payments {
  readonly seen: unknown[] = [];

  @Resilient(Twice)
  async charge(order: string, ctx?: WorkContext): Promise<string> {
    this.seen.push(ctx === undefined ? undefined : { ...ctx });
    return Promise.resolve(`${order} paid`);
  }
}

async function start(...providers: Provider[]): Promise<TestingModule> {
  const moduleRef = await Test.createTestingModule({
    imports: [HoldfastModule.forRoot({ name: 'app' })],
    providers: [Twice, ...providers],
  }).compile();
  await moduleRef.init();
  return moduleRef;
}

describe('@Resilient()', () => {
  it('runs the method under the policy, with `this`, arguments and result', async () => {
    const moduleRef = await start(Payments);
    expect(await moduleRef.get(Payments).charge('a')).toBe('a paid');
    expect(moduleRef.get(Payments).seen).toEqual([undefined, undefined]);
    expect(moduleRef.get(Twice).calls).toEqual([undefined]);
  });

  it("gives the policy the caller's context, and the method the attempt's in its place", async () => {
    const moduleRef = await start(Payments);
    const { signal } = new AbortController();
    const ctx = { signal, deadline: undefined, id: 'job-1', attempt: 3 };
    await moduleRef.get(Payments).charge('a', ctx);
    expect(moduleRef.get(Twice).calls).toEqual([ctx]);
    expect(moduleRef.get(Payments).seen).toMatchObject([
      { signal: { reason: 'first' }, id: 'job-1', attempt: 3 },
      { signal: { reason: 'second' }, id: 'job-1', attempt: 3 },
    ]);
  });

  it('works with policies: their time-outs abort what the method passes on', async () => {
    class Upstream extends Policy {
      constructor() {
        super({ name: 'upstream', attemptTimeoutMs: 10, retry: { maxRetries: 1, baseDelayMs: 1 } });
      }
    }
    const attempts: [attempt: number, enqueuedAt: Date, reason: unknown][] = [];
    @Injectable()
    class Caller {
      @Resilient(Upstream)
      async call(ctx: ItemContext): Promise<never> {
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
        attempts.push([ctx.attempt, ctx.enqueuedAt, ctx.signal.reason]);
        throw ctx.signal.reason;
      }
    }
    const moduleRef = await start(Upstream, Caller);
    const enqueuedAt = new Date(0);
    const { signal } = new AbortController();
    const ctx: ItemContext = { signal, deadline: undefined, attempt: 7, enqueuedAt, queueDelayMs: 3 };
    const call = moduleRef.get(Caller).call(ctx);
    await expect(call).rejects.toSatisfy((error) => isHoldfastError(error, 'TIMEOUT'));
    const timedOut = expect.objectContaining({ code: 'TIMEOUT' });
    expect(attempts).toEqual([
      [1, enqueuedAt, timedOut],
      [2, enqueuedAt, timedOut],
    ]);
  });

  it('touches neither context, since both may be frozen, and gives one that can be spread', async () => {
    const attempt = Object.freeze({ signal: AbortSignal.abort('attempt'), deadline: undefined, attempt: 1 });
    const policy: Guard = { execute: async (fn) => fn(attempt) };
    const moduleRef = await start(Payments, { provide: Twice, useValue: policy });
    const given = Object.freeze({ signal: new AbortController().signal, deadline: undefined, id: 'job-1' });
    await moduleRef.get(Payments).charge('a', given);
    expect(moduleRef.get(Payments).seen).toEqual([{ ...attempt, id: 'job-1' }]);
    expect(attempt).not.toHaveProperty('id');
  });

  it("keeps what a request's scope can do", async () => {
    @Injectable()
    class Handler {
      @Resilient(Twice)
      async handle(scope: RequestScope): Promise<string> {
        await scope.background(() => 'done');
        return scope.id;
      }
    }
    const moduleRef = await start(Handler);
    const handle = moduleRef.get(Service).openScope({ id: 'request-1' });
    expect(await moduleRef.get(Handler).handle(handle.scope)).toBe('request-1');
    handle.end();
  });

  it('does not take a last argument for a context that is none', async () => {
    @Injectable()
    class Tasks {
      @Resilient(Twice)
      async find(...args: unknown[]): Promise<unknown[]> {
        return Promise.resolve(args);
      }
    }
    const moduleRef = await start(Tasks);
    const task = { deadline: new Date(0), signal: 'SIGTERM' };
    expect(await moduleRef.get(Tasks).find(1, task)).toEqual([1, task]);
    expect(await moduleRef.get(Tasks).find()).toEqual([]);
    expect(await moduleRef.get(Tasks).find(null)).toEqual([null]);
  });

  it('does not read a lazy signal to find out', async () => {
    const moduleRef = await start(Payments);
    const handle = moduleRef.get(Service).openScope();
    let reads = 0;
    const { signal } = handle.scope;
    const scope = Object.defineProperty({ ...handle.scope }, 'signal', {
      get: () => ((reads += 1), signal),
      enumerable: true,
    });
    await moduleRef.get(Payments).charge('a', scope);
    expect(reads).toBe(0);
    handle.end();
  });

  it('keeps name, length and the metadata of other decorators, in either order', () => {
    class Mixed {
      @Get('above')
      @Resilient(Twice)
      async above(_a: unknown, _b: unknown): Promise<void> {}

      @Resilient(Twice)
      @Get('below')
      @Consume('QUEUE')
      async below(): Promise<void> {}
    }
    const above: Method = Reflect.get(Mixed.prototype, 'above');
    const below: Method = Reflect.get(Mixed.prototype, 'below');
    expect([above.name, above.length, below.name, below.length]).toEqual(['above', 2, 'below', 0]);
    expect(Reflect.getMetadata('path', above)).toBe('above');
    expect(Reflect.getMetadata('path', below)).toBe('below');
    expect(Reflect.getMetadata('holdfast:consume', below)).toMatchObject({ queue: 'QUEUE' });
  });

  it('protects instances that Nest did not make', async () => {
    const made = new Payments();
    const moduleRef = await start(
      { provide: Payments, useFactory: () => new Payments() },
      { provide: 'MADE', useValue: made },
    );
    await moduleRef.get(Payments).charge('a');
    await made.charge('b');
    expect(moduleRef.get(Twice).calls).toHaveLength(2);
  });

  it('protects request-scoped providers', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @Resilient(Twice)
      async call(): Promise<string> {
        return Promise.resolve('ok');
      }
    }
    const moduleRef = await start(PerRequest);
    expect(await (await moduleRef.resolve(PerRequest)).call()).toBe('ok');
    expect(moduleRef.get(Twice).calls).toHaveLength(1);
  });

  it('takes the policy of a subclass from the same place, and lets tests override it', async () => {
    @Injectable()
    class Special extends Payments {
      constructor(@Inject(Twice) readonly own: Twice) {
        super();
      }
    }
    const once: Guard = {
      execute: (fn) => Promise.resolve(fn({ signal: AbortSignal.abort(), deadline: undefined })) as never,
    };
    const moduleRef = await Test.createTestingModule({
      imports: [HoldfastModule.forRoot({ name: 'app' })],
      providers: [Twice, Special],
    })
      .overrideProvider(Twice)
      .useValue(once)
      .compile();
    await moduleRef.init();
    await moduleRef.get(Special).charge('a');
    expect(moduleRef.get(Special).seen).toHaveLength(1);
  });

  it('fails at start where the policy is missing', async () => {
    @Injectable()
    class Lost {
      @Resilient('NOWHERE')
      async call(): Promise<void> {}
    }
    await expect(start(Lost)).rejects.toThrow(/NOWHERE/);
    expect(() => Resilient(undefined as never)({}, 'call', { value: async () => {} })).toThrow(
      /import each other/,
    );
  });

  it('calls straight through on an object made by hand, as in a unit test', async () => {
    expect(await new Payments().charge('a')).toBe('a paid');
  });
});
