import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, ResourceStack } from '../../src/index.ts';

const never = (): Promise<never> => new Promise(() => {});

/** What a promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: unknown) => error,
  );
}

describe('ResourceStack', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('releases in the reverse order of acquiring, one after the other', async () => {
    const log: string[] = [];
    const slowly = async (name: string): Promise<void> => {
      log.push(`${name} …`);
      await Promise.resolve();
      log.push(name);
    };
    const value = await ResourceStack.run(async (stack) => {
      const one = await stack.acquire(
        async () => 'one',
        (name) => slowly(name),
      );
      stack.use({ [Symbol.asyncDispose]: () => slowly('two') });
      stack.use({ [Symbol.dispose]: () => void log.push('three') });
      stack.defer(() => slowly('four'));
      return one;
    });
    expect(value).toBe('one');
    expect(log).toEqual(['four …', 'four', 'three', 'two …', 'two', 'one …', 'one']);
  });

  it('releases what was acquired before something failed, and rejects with that failure itself', async () => {
    const log: string[] = [];
    const broken = new Error('second');
    const outcome = ResourceStack.run(async (stack) => {
      await stack.acquire(
        () => 1,
        () => log.push('first released'),
      );
      await stack.acquire(
        () => Promise.reject(broken),
        () => log.push('never'),
      );
    });
    await expect(outcome).rejects.toBe(broken);
    expect(log).toEqual(['first released']);
  });

  it('runs every release whatever the others do, and chains the failures', async () => {
    const log: string[] = [];
    const body = new Error('body');
    const error = await failureOf(
      ResourceStack.run((stack) => {
        stack.defer(() => log.push('a'));
        stack.defer(() => Promise.reject('b'));
        stack.defer(() => {
          throw 'c';
        });
        throw body;
      }),
    );
    expect(log).toEqual(['a']);
    expect(error).toMatchObject({
      name: 'SuppressedError',
      error: 'b',
      suppressed: { name: 'SuppressedError', error: 'c', suppressed: body },
    });
    expect(error).toBeInstanceOf(Error);
  });

  it('rejects with a single failure as it is', async () => {
    const stack = new ResourceStack();
    stack.defer(() => Promise.reject('only'));
    await expect(stack[Symbol.asyncDispose]()).rejects.toBe('only');
  });

  it('uses the runtime’s own SuppressedError where there is one', async () => {
    class Native extends Error {
      constructor(
        readonly error: unknown,
        readonly suppressed: unknown,
        message: string,
      ) {
        super(message);
      }
    }
    vi.stubGlobal('SuppressedError', Native);
    const error = await failureOf(
      ResourceStack.run((stack) => {
        stack.defer(() => Promise.reject('newer'));
        throw 'older';
      }),
    );
    vi.unstubAllGlobals();
    expect(error).toBeInstanceOf(Native);
    expect(error).toMatchObject({ error: 'newer', suppressed: 'older' });
  });

  it('gives up a release that hangs, and runs the next', async () => {
    const log: string[] = [];
    const outcome = ResourceStack.run(
      (stack) => {
        stack.defer(() => log.push('next'));
        stack.defer(never);
      },
      { releaseTimeoutMs: 100 },
    );
    const rejection = expect(outcome).rejects.toMatchObject({ code: 'TIMEOUT', timeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(100);
    await rejection;
    expect(log).toEqual(['next']);
  });

  it('ends acquiring with its signal or deadline, and still releases', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const outcome = ResourceStack.run(
      async (stack) => {
        stack.defer(({ signal }) => log.push(`released, ${signal.aborted ? '' : 'not '}aborted`));
        await stack.acquire(never, () => {});
      },
      { signal: controller.signal },
    );
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(log).toEqual(['released, not aborted']);
    const body = vi.fn();
    await expect(ResourceStack.run(body, { signal: controller.signal })).rejects.toBe('left');
    await expect(ResourceStack.run(body, { deadline: Deadline.after(0) })).rejects.toMatchObject({
      kind: 'deadline',
    });
    expect(body).not.toHaveBeenCalled();
  });

  it('releases once, and takes nothing more when disposed', async () => {
    const release = vi.fn();
    const stack = new ResourceStack();
    stack.defer(release);
    expect(stack.disposed).toBe(false);
    await Promise.all([stack[Symbol.asyncDispose](), stack[Symbol.asyncDispose]()]);
    expect(stack.disposed).toBe(true);
    expect(release).toHaveBeenCalledTimes(1);
    expect(() => stack.defer(release)).toThrow(ReferenceError);
    expect(() => stack.use({ [Symbol.dispose]() {} })).toThrow(ReferenceError);
    await expect(stack.acquire(vi.fn(), release)).rejects.toThrow(ReferenceError);
    expect(release).toHaveBeenCalledTimes(1);
  });

  it('releases what arrives while it is being disposed', async () => {
    const stack = new ResourceStack();
    const release = vi.fn();
    let arrive: ((value: string) => void) | undefined;
    const acquiring = stack.acquire(() => new Promise<string>((resolve) => (arrive = resolve)), release);
    await stack[Symbol.asyncDispose]();
    arrive?.('late');
    await expect(acquiring).rejects.toThrow(ReferenceError);
    expect(release).toHaveBeenCalledExactlyOnceWith('late', expect.anything());
  });

  it('belongs to a block as well', async () => {
    const log: string[] = [];
    {
      await using stack = new ResourceStack();
      stack.defer(() => log.push('released'));
      log.push('used');
    }
    expect(log).toEqual(['used', 'released']);
  });

  it('rejects bad input by type and by range', async () => {
    expect(() => Reflect.construct(ResourceStack, [null])).toThrow(TypeError);
    expect(() => new ResourceStack({ releaseTimeoutMs: -1 })).toThrow(RangeError);
    const stack = new ResourceStack();
    for (const resource of [null, undefined, 1, {}, { [Symbol.dispose]: 1 }])
      expect(() => Reflect.apply(stack.use.bind(stack), undefined, [resource])).toThrow(TypeError);
    expect(() => Reflect.apply(stack.defer.bind(stack), undefined, [null])).toThrow(TypeError);
    await expect(Reflect.apply(ResourceStack.run.bind(ResourceStack), undefined, [null])).rejects.toThrow(
      TypeError,
    );
  });
});
