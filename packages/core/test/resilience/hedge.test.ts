import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Bulkhead,
  Deadline,
  LatencyQuantile,
  RetryBudget,
  hedge,
  noRetry,
  subscribe,
  type AttemptContext,
  type HedgeOptions,
  type HoldfastEvent,
} from '../../src/index.ts';
import { deferred, type Deferred } from './deferred.ts';

let events: HoldfastEvent[];
let subscription: Disposable;

beforeEach(() => {
  vi.useFakeTimers();
  events = [];
  subscription = subscribe((event) => events.push(event));
});
afterEach(() => {
  subscription[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Work whose attempts settle when told. */
function scripted() {
  const attempts: (Deferred<string> & { readonly signal: AbortSignal })[] = [];
  const work = ({ attempt, signal }: AttemptContext): Promise<string> => {
    const one = deferred<string>();
    attempts[attempt - 1] = { ...one, signal };
    return one.promise;
  };
  return { attempts, work };
}

describe('hedge', () => {
  it('makes one attempt where that is quick', async () => {
    const work = vi.fn(async () => 'fine');
    await expect(hedge(work, { delayMs: 100 })).resolves.toBe('fine');
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('starts a second attempt after the delay, gives the first success and aborts the other attempt alone', async () => {
    const { attempts, work } = scripted();
    const outcome = hedge(work, { delayMs: 100, name: 'search' });
    await vi.advanceTimersByTimeAsync(99);
    expect(attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(attempts).toHaveLength(2);
    attempts[1]?.resolve('second');
    await expect(outcome).resolves.toBe('second');
    expect(attempts[0]?.signal.reason).toMatchObject({ name: 'AbortError' });
    expect(attempts[1]?.signal.aborted).toBe(false);
    attempts[0]?.reject(new Error('late'));
    expect(events.map(({ type, name, data }) => [type, name, data])).toEqual([
      ['hedge.started', 'search', { attempt: 2, delayMs: 100 }],
      ['hedge.won', 'search', { attempt: 2 }],
    ]);
  });

  it('starts as many as it may, each after another delay', async () => {
    const { attempts, work } = scripted();
    const outcome = hedge(work, { delayMs: 10, maxHedges: 2 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(attempts).toHaveLength(3);
    attempts[2]?.resolve('third');
    await expect(outcome).resolves.toBe('third');
    expect(attempts.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
  });

  it('hedges no failure', async () => {
    const down = new Error('down');
    const work = vi.fn(() => Promise.reject(down));
    await expect(hedge(work, { delayMs: 100 })).rejects.toBe(down);
    await vi.advanceTimersByTimeAsync(200);
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('waits after a failure for the attempt that runs, and rejects with the last error when all have failed', async () => {
    const { attempts, work } = scripted();
    const saved = hedge(work, { delayMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    attempts[0]?.reject(new Error('first'));
    attempts[1]?.resolve('second');
    await expect(saved).resolves.toBe('second');

    const lost = hedge(work, { delayMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    const last = new Error('first attempt, last error');
    attempts[1]?.reject(new Error('second attempt'));
    await vi.advanceTimersByTimeAsync(5);
    attempts[0]?.reject(last);
    await expect(lost).rejects.toBe(last);
  });

  it('ends all at once with an error that is final', async () => {
    const { attempts, work } = scripted();
    const outcome = hedge(work, { delayMs: 10 });
    await vi.advanceTimersByTimeAsync(10);
    const stop = noRetry(new Error('not found'));
    attempts[0]?.reject(stop);
    await expect(outcome).rejects.toBe(stop);
    expect(attempts[1]?.signal.aborted).toBe(true);
  });

  it('starts nothing more without budget, and ends nothing that runs', async () => {
    const { attempts, work } = scripted();
    const budget = new RetryBudget({ minPerSec: 0, ratio: 0.5 });
    const outcome = hedge(work, { delayMs: 10, budget });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(attempts).toHaveLength(1);
    expect(events).toMatchObject([{ type: 'hedge.refused', data: { reason: 'budget' } }]);
    attempts[0]?.resolve('first');
    await expect(outcome).resolves.toBe('first');

    void hedge(work, { delayMs: 10, budget });
    await vi.advanceTimersByTimeAsync(10);
    expect(attempts).toHaveLength(2);
    attempts[1]?.resolve('second');
    await vi.advanceTimersByTimeAsync(0);
  });

  it('rejects with the abort reason at once and aborts all attempts', async () => {
    const { attempts, work } = scripted();
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, 'removeEventListener');
    const outcome = hedge(work, { delayMs: 10, signal: controller.signal });
    await vi.advanceTimersByTimeAsync(10);
    controller.abort('left');
    await expect(outcome).rejects.toBe('left');
    expect(attempts.map(({ signal }) => signal.reason)).toEqual(['left', 'left']);
    expect(removed).toHaveBeenCalledTimes(1);
  });

  it('is ended by a deadline, and begins nothing for one who has left', async () => {
    const outcome = hedge(() => new Promise(() => {}), { delayMs: 10, deadline: Deadline.after(50) });
    const rejection = expect(outcome).rejects.toMatchObject({
      code: 'TIMEOUT',
      kind: 'deadline',
      timeoutMs: 50,
    });
    await vi.advanceTimersByTimeAsync(50);
    await rejection;
    const work = vi.fn();
    await expect(hedge(work, { delayMs: 10, signal: AbortSignal.abort('left') })).rejects.toBe('left');
    await expect(hedge(work, { delayMs: 10, deadline: Deadline.after(0) })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(work).not.toHaveBeenCalled();
  });

  it('keeps the slot of a limit around it until the loser has ended too', async () => {
    const { attempts, work } = scripted();
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    const outcome = bulkhead.execute((ctx) => hedge(work, { ...ctx, delayMs: 10 }));
    await vi.advanceTimersByTimeAsync(10);
    attempts[1]?.resolve('second');
    await expect(outcome).resolves.toBe('second');
    await expect(bulkhead.execute(() => 1)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    attempts[0]?.resolve('first');
    await vi.advanceTimersByTimeAsync(0);
    await expect(bulkhead.execute(() => 1)).resolves.toBe(1);
  });

  it('learns from calls what is usual, and hedges nothing before it knows', async () => {
    const usual = new LatencyQuantile({ quantile: 0.9, minimumCalls: 10, windowSize: 10 });
    const { attempts, work } = scripted();
    for (let call = 1; call <= 10; call += 1) {
      const outcome = hedge(work, { delayMs: usual });
      await vi.advanceTimersByTimeAsync(call * 10);
      expect(attempts).toHaveLength(1);
      attempts[0]?.resolve('fine');
      await outcome;
    }
    expect(usual.delayMs).toBe(90);
    const outcome = hedge(work, { delayMs: usual });
    await vi.advanceTimersByTimeAsync(89);
    expect(attempts).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(6);
    expect(attempts).toHaveLength(2);
    attempts[1]?.resolve('second');
    await outcome;
  });

  it('counts an attempt that has lost with the time it had taken', async () => {
    const usual = new LatencyQuantile({ quantile: 1, minimumCalls: 1, windowSize: 2 });
    usual.record(50);
    const { attempts, work } = scripted();
    const outcome = hedge(work, { delayMs: usual });
    await vi.advanceTimersByTimeAsync(60);
    attempts[1]?.resolve('second');
    await outcome;
    expect(usual.delayMs).toBe(60);
  });

  it.each<[string, unknown]>([
    ['delayMs', undefined],
    ['delayMs', -1],
    ['delayMs', '5'],
    ['maxHedges', -1],
    ['maxHedges', 0.5],
    ['budget', {}],
    ['name', ''],
    ['signal', 'x'],
  ])('rejects %s %s', async (option, value) => {
    const options = { delayMs: 5, [option]: value } as unknown as HedgeOptions;
    await expect(hedge(() => 1, options)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_/),
      message: expect.stringContaining(option),
    });
  });
});

describe('LatencyQuantile', () => {
  it('forgets what lies beyond its window, and never gives less than minDelayMs', () => {
    const usual = new LatencyQuantile({ quantile: 0.5, windowSize: 20, minimumCalls: 20, minDelayMs: 5 });
    for (let call = 0; call < 19; call += 1) usual.record(1_000);
    expect(usual.delayMs).toBeUndefined();
    usual.record(1_000);
    expect(usual.delayMs).toBe(1_000);
    for (let call = 0; call < 20; call += 1) usual.record(1);
    expect(usual.delayMs).toBe(5);
  });

  it('refuses bad options', () => {
    for (const options of [
      { quantile: 0 },
      { quantile: 1.1 },
      { windowSize: 0 },
      { minDelayMs: -1 },
      { windowSize: 5, minimumCalls: 6 },
    ])
      expect(() => new LatencyQuantile(options)).toThrow(RangeError);
    expect(() => Reflect.construct(LatencyQuantile, [{ percentile: 95 }])).toThrow(TypeError);
  });
});
