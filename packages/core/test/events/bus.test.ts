import { afterEach, describe, expect, it, vi } from 'vitest';
import { subscribe, type HoldfastEvent } from '../../src/index.ts';
import { emit, observed } from '../../src/events/bus.ts';

describe('the event bus', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is not observed until somebody subscribes, nor after the last has left', () => {
    expect(observed()).toBe(false);
    const first = subscribe(() => {});
    const second = subscribe(() => {});
    first[Symbol.dispose]();
    expect(observed()).toBe(true);
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(observed()).toBe(false);
  });

  it('tells every listener, and one that throws or rejects changes nothing', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const seen: HoldfastEvent[] = [];
    using _thrower = subscribe(() => {
      throw new Error('observer');
    });
    using _rejecter = subscribe(() => Promise.reject(new Error('async observer')) as unknown as void);
    using _listener = subscribe((event) => seen.push(event));
    emit('queue.dropped', 'orders', { value: 1 });
    await Promise.resolve();
    await Promise.resolve();
    expect(seen).toMatchObject([{ type: 'queue.dropped', name: 'orders', data: { value: 1 } }]);
    expect(reported).toHaveBeenCalledTimes(2);
  });

  it('never gives what a listener throws to the reportError of a runtime whose process that would end', () => {
    const ending = vi.fn<(error: unknown) => void>();
    vi.stubGlobal('reportError', ending);
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const error = new Error('observer');
    using _thrower = subscribe(() => {
      throw error;
    });
    emit('a.b', 'x', {});
    vi.unstubAllGlobals();
    expect(reported).toHaveBeenCalledExactlyOnceWith(error);
    expect(ending).not.toHaveBeenCalled();
  });

  it('keeps two subscriptions of one function apart', () => {
    const listener = vi.fn();
    const first = subscribe(listener);
    using _second = subscribe(listener);
    first[Symbol.dispose]();
    emit('a.b', 'x', {});
    expect(listener).toHaveBeenCalledTimes(1);
  });
});
