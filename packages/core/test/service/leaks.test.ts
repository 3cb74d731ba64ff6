import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { Service } from '../../src/index.ts';
import { controlOf } from '../../src/internal.ts';
import { PHASES } from '../../src/service/phases.ts';
import { service, never, stop, useFakeTime } from './fake-time.ts';

useFakeTime();

/** Whether the runtime can tell which listeners a signal has; workerd names none. */
const listsListeners = ((): boolean => {
  const { signal } = new AbortController();
  signal.addEventListener('abort', () => {});
  return getEventListeners(signal, 'abort').length === 1;
})();

describe('nothing is left', { timeout: 60_000 }, () => {
  it('by a service at rest: no timer', () => {
    const owner = service();
    owner.onShutdown('a', () => {});
    owner.own({ name: 'b', [Symbol.asyncDispose]: async () => {} });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('by 10 000 scopes: no timer, no listener on their common signal, no open scope, no task', async () => {
    const owner = new Service({ name: 's', tasks: { maxTasks: Infinity } });
    const controller = new AbortController();
    for (let n = 0; n < 10_000; n += 1) {
      const handle = owner.openScope({ signal: controller.signal, timeoutMs: 60_000, waitUntil: () => {} });
      expect(handle.scope.signal.aborted).toBe(false);
      handle.scope.background(() => {}, { after: 'response', onDisconnect: 'cancel' });
      handle.scope.background(() => {}, { onDisconnect: 'cancel' });
      if (n % 2 === 0) handle.end();
      else handle.disconnect();
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(controlOf(owner).scopes).toBe(0);
    expect(owner.tasks.size).toBe(0);
  });

  it.skipIf(!listsListeners)('by 10 000 open scopes on one signal: one listener, gone with the last', () => {
    const owner = service();
    const controller = new AbortController();
    const handles = Array.from({ length: 10_000 }, () => owner.openScope({ signal: controller.signal }));
    for (const { scope } of handles) expect(scope.signal.aborted).toBe(false);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    for (const handle of handles) handle.end();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('by 10 000 hooks that were taken back', async () => {
    const owner = service();
    for (let n = 0; n < 10_000; n += 1) owner.onShutdown('a', () => {})[Symbol.dispose]();
    expect((await stop(owner)).hooks).toEqual([]);
  });

  it('by a shutdown in which much hung: no timer, no listener on the signals of its phases', async () => {
    const owner = service();
    const signals = PHASES.map((phase) => owner.signalAt(phase));
    owner.own({ name: 'a', drain: never, close: never, [Symbol.asyncDispose]: never });
    owner.onShutdown('b', never);
    owner.tasks.spawn(never, { atShutdown: 'cancel' });
    const { scope } = owner.openScope({ timeoutMs: 1_000 });
    expect(scope.signal.aborted).toBe(false);
    await stop(owner);
    expect(vi.getTimerCount()).toBe(0);
    for (const signal of signals) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
