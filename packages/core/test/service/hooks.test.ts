import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, vi } from 'vitest';
import { ShuttingDownError, TimeoutError, sleep, subscribe, type ShutdownPhase } from '../../src/index.ts';
import { executionOf } from '../../src/internal.ts';
import { PHASES } from '../../src/service/phases.ts';
import { durations, never, service, stop, useFakeTime, within } from './fake-time.ts';

useFakeTime();

describe('service.onShutdown', () => {
  it('runs a hook in its phase, by default close', async () => {
    const log: string[] = [];
    const owner = service();
    for (const phase of PHASES.toReversed()) owner.onShutdown(phase, () => void log.push(phase), { phase });
    owner.onShutdown('default', () => void log.push('default'));
    await stop(owner);
    expect(log).toEqual(['lame-duck', 'intake', 'drain', 'cancel', 'default', 'close', 'flush']);
  });

  it('gives a hook the cause, a signal and a deadline, and lets its work pass the door', async () => {
    const owner = service();
    let seen: unknown;
    owner.onShutdown('a', (ctx) => {
      seen = [ctx.cause, ctx.signal.aborted, ctx.deadline?.remainingMs, executionOf(ctx)?.isOwnedBy(owner)];
    });
    await stop(owner, 'SIGTERM');
    expect(seen).toEqual(['SIGTERM', false, 3_000, true]);
  });

  it('runs hooks that do not name each other at the same time, the later registered first', async () => {
    const log: string[] = [];
    const owner = service();
    for (const name of ['a', 'b', 'c'])
      owner.onShutdown(name, async () => {
        log.push(`${name}+`);
        await sleep(2_000);
        log.push(`${name}-`);
      });
    const report = await stop(owner);
    expect(log).toEqual(['c+', 'b+', 'a+', 'c-', 'b-', 'a-']);
    expect(durations(report)['close']).toBe(2_000);
  });

  it('runs what needs another before that other, hooks and components alike', async () => {
    const log: string[] = [];
    const owner = service();
    const slow = (name: string) => async (): Promise<void> => {
      await sleep(10);
      log.push(name);
    };
    owner.onShutdown('repository', slow('repository'), { dependsOn: ['pool'] });
    owner.own({ name: 'pool', [Symbol.asyncDispose]: slow('pool') }, { dependsOn: ['network'] });
    owner.onShutdown('network', slow('network'));
    owner.onShutdown('cache', slow('cache'), { dependsOn: ['pool'] });
    await stop(owner);
    expect(log).toEqual(['cache', 'repository', 'pool', 'network']);
  });

  it('aborts a hook at its time-out, reports it as timed out, and goes on', async () => {
    const log: string[] = [];
    const owner = service();
    owner.onShutdown('hangs', async ({ signal }) => {
      signal.addEventListener('abort', () => log.push(`abort ${String(signal.reason.code)}`));
      await never();
    });
    owner.onShutdown('later', () => void log.push('later'), { phase: 'flush' });
    const report = await stop(owner);
    expect(log).toEqual(['abort TIMEOUT', 'later']);
    expect(durations(report)).toMatchObject({ close: 3_000, flush: 0 });
    expect(report.outcome).toBe('failed');
    expect(report.hooks).toEqual([
      { name: 'hangs', outcome: 'timed-out', error: expect.any(TimeoutError) },
      { name: 'later', outcome: 'ok', error: undefined },
    ]);
  });

  it('runs what a hook that hangs was needed by', async () => {
    const log: string[] = [];
    const owner = service();
    owner.onShutdown('needs', never, { dependsOn: ['needed'], timeoutMs: 10 });
    owner.onShutdown('needed', () => void log.push('needed'));
    await stop(owner);
    expect(log).toEqual(['needed']);
  });

  it('takes the smaller of the time-out of a hook and what remains of its phase', async () => {
    const owner = service({ phases: { close: 1_000, drain: 0, cancel: 0 } });
    owner.onShutdown('hangs', never);
    expect(durations(await stop(owner))['close']).toBe(1_000);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('no')), new Error('no')],
    [
      'throws',
      () => {
        throw new Error('no');
      },
      new Error('no'),
    ],
    [
      'throws undefined',
      () => {
        throw undefined;
      },
      undefined,
    ],
    [
      'rejects with a TimeoutError of its own',
      () => Promise.reject(new TimeoutError('It', 'total', 1)),
      expect.any(TimeoutError),
    ],
  ])('reports a hook that %s as failed, and runs the others', async (_, fn, error) => {
    const other = vi.fn<() => void>();
    const events: unknown[] = [];
    using _subscription = subscribe(({ type, data }) => type === 'service.hook-failed' && events.push(data));
    const owner = service();
    owner.onShutdown('other', other);
    owner.onShutdown('bad', fn);
    const report = await stop(owner);
    expect(report.outcome).toBe('failed');
    expect(report.hooks).toEqual([
      { name: 'bad', outcome: 'failed', error },
      { name: 'other', outcome: 'ok', error: undefined },
    ]);
    expect(events).toEqual([{ hook: 'bad', error }]);
  });

  it('leaves the outcome clean where the hook that fails is not critical', async () => {
    const owner = service();
    owner.onShutdown('nice to have', () => Promise.reject(new Error('no')), { critical: false });
    expect(await stop(owner)).toMatchObject({ outcome: 'clean', hooks: [{ outcome: 'failed' }] });
  });

  it('does not run a hook that was taken back', async () => {
    const hook = vi.fn<() => void>();
    const owner = service();
    const handle = owner.onShutdown('a', hook);
    handle[Symbol.dispose]();
    handle[Symbol.dispose]();
    expect((await stop(owner)).hooks).toEqual([]);
    expect(hook).not.toHaveBeenCalled();
  });

  it('runs a hook added during the shutdown if its phase is not over, else throws', async () => {
    const log: string[] = [];
    const owner = service();
    const add = (phase: ShutdownPhase): void => {
      owner.onShutdown(`late ${phase}`, () => void log.push(phase), { phase });
    };
    owner.onShutdown(
      'first',
      async () => {
        add('drain');
        add('close');
        await sleep(100);
        expect(() => add('intake')).toThrow(ShuttingDownError);
      },
      { phase: 'drain' },
    );
    const report = await stop(owner);
    expect(log).toEqual(['drain', 'close']);
    expect(report.hooks).toEqual(
      ['late drain', 'first', 'late close'].map((name) => ({ name, outcome: 'ok', error: undefined })),
    );
    expect(() => add('flush')).toThrow(ShuttingDownError);
  });

  it('waits for a hook that was added to the running phase', async () => {
    const owner = service();
    owner.onShutdown('first', () => void owner.onShutdown('second', () => sleep(1_000)));
    expect(durations(await stop(owner))['close']).toBe(1_000);
  });

  it('runs a hook in the asynchronous context it was registered in', async () => {
    const storage = new AsyncLocalStorage<string>();
    const owner = service();
    let seen: string | undefined;
    storage.run('registered', () => owner.onShutdown('a', () => void (seen = storage.getStore())));
    await storage.run('shutdown', () => stop(owner));
    expect(seen).toBe('registered');
  });

  it('refuses circles and hooks that need what an earlier phase shuts', () => {
    const owner = service();
    owner.onShutdown('a', () => {}, { dependsOn: ['b'] });
    expect(() => owner.onShutdown('b', () => {}, { dependsOn: ['a'] })).toThrow(RangeError);
    owner.onShutdown('traces', () => {}, { phase: 'flush', dependsOn: ['exporter'] });
    expect(() => owner.own({ name: 'exporter' })).toThrow(
      'dependsOn must be what is not shut before phase "flush" of "traces", got "exporter"',
    );
    owner.own({ name: 'exporter' }, { phase: 'flush' });
  });

  it.each([
    ['name', () => service().onShutdown('', () => {}), RangeError],
    ['fn', () => service().onShutdown('a', null as never), TypeError],
    ['options', () => service().onShutdown('a', () => {}, null as never), TypeError],
    ['phase', () => service().onShutdown('a', () => {}, { phase: 'later' as never }), RangeError],
    ['timeoutMs', () => service().onShutdown('a', () => {}, { timeoutMs: 0 }), RangeError],
    ['dependsOn', () => service().onShutdown('a', () => {}, { dependsOn: [1 as never] }), TypeError],
    ['critical', () => service().onShutdown('a', () => {}, { critical: 1 as never }), TypeError],
    ['unknown', () => service().onShutdown('a', () => {}, { timeout: 1 } as never), TypeError],
  ])('refuses a bad %s', (_, register, error) => {
    expect(register).toThrow(error);
  });

  it('does not say clean where a hook had no turn because one that needs it hung to the end', async () => {
    const owner = service({ phases: { flush: 1_000 } });
    owner.onShutdown('exporter', () => {}, { phase: 'flush', timeoutMs: Infinity });
    owner.onShutdown('traces', () => new Promise(() => {}), {
      phase: 'flush',
      timeoutMs: Infinity,
      critical: false,
      dependsOn: ['exporter'],
    });
    const report = await stop(owner);
    expect(report.hooks.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'traces timed-out',
      'exporter timed-out',
    ]);
    expect(report.outcome).not.toBe('clean');
  });

  it('gives each of many hooks its turn within the phase, though all of them hang', async () => {
    const owner = service();
    for (let n = 0; n < 100; n += 1) owner.onShutdown(`h${n}`, never);
    const report = await within(3_000, owner.shutdown());
    expect(report.hooks.filter(({ outcome }) => outcome === 'timed-out')).toHaveLength(100);
  });
});
