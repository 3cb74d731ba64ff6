import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Semaphore, withTimeout, type WorkContext } from '../../src/index.ts';
import { executionOf } from '../../src/signal/execution.ts';
import { takeSpareCall } from '../../src/signal/spare-call.ts';

describe('a spare call', () => {
  it('is used again once it is over, where nobody looked at its context', () => {
    const first = takeSpareCall();
    const beside = takeSpareCall();
    // to compare contexts by `expect` would be to look at them
    expect(beside.context === first.context).toBe(false);
    expect(first.end()).toBeUndefined();
    expect(takeSpareCall()).toBe(first);
  });

  it.each<[string, (context: WorkContext) => unknown]>([
    ['its signal was read', (context) => context.signal],
    ['its record was asked for', executionOf],
    ['its context was spread over options', (context) => ({ ...context, maxWaitMs: 1 })],
  ])('is not used again where %s', (_, look) => {
    const call = takeSpareCall();
    look(call.context);
    call.end();
    expect(takeSpareCall()).not.toBe(call);
  });

  it('has one signal, which is its own, and which its context keeps when it is spread', () => {
    const [one, other] = [takeSpareCall(), takeSpareCall()];
    const { signal } = one.context;
    expect(one.context.signal).toBe(signal);
    expect({ ...one.context }.signal).toBe(signal);
    expect(other.context.signal).not.toBe(signal);
    expect(one.context.deadline).toBeUndefined();
  });

  it('cannot carry anything over to the next one', () => {
    const { context } = takeSpareCall();
    expect(() => Object.assign(context, { user: 7 })).toThrow(TypeError);
  });

  it('is not given to work that takes its context, which may look at it when its call is over', async () => {
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    let kept: WorkContext | undefined;
    await semaphore.execute((ctx) => void (kept = ctx));
    let settle = (): void => {};
    const next = semaphore.execute(() => new Promise<void>((resolve) => (settle = resolve)));
    await expect(withTimeout(() => new Promise(() => {}), { ...kept, timeoutMs: 1 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    settle();
    await next;
    await semaphore.execute(() => {}); // would wait for ever if the next one had given something up
    expect(semaphore.inUse).toBe(0);
  });

  it('keeps its slot until what it gave up has settled, and leaves the next one untouched', async () => {
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers();
    const semaphore = new Semaphore({ maxConcurrent: 1 });
    let settle = (): void => {};
    const work = (): Promise<void> => new Promise((resolve) => (settle = resolve));
    const given = semaphore.execute((...[ctx]) => withTimeout(work, { ...ctx, timeoutMs: 10 }));
    const expectation = expect(given).rejects.toMatchObject({ code: 'TIMEOUT' });
    await vi.advanceTimersByTimeAsync(10);
    await expectation;
    const next = semaphore.execute(() => 'next');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(semaphore).toMatchObject({ inUse: 1, waiting: 1 });
    settle();
    expect(await next).toBe('next');
    expect(semaphore.inUse).toBe(0);
  });
});
