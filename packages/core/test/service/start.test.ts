import { describe, expect, it, vi } from 'vitest';
import { Service, ShuttingDownError, sleep, subscribe, type Component } from '../../src/index.ts';
import { executionOf } from '../../src/internal.ts';
import { never, service, stop, useFakeTime, within } from './fake-time.ts';

useFakeTime();

function recorded(log: string[], name: string, open?: Component['open']): Component {
  return {
    name,
    open: async (ctx) => {
      await open?.(ctx);
      log.push(`${name} open`);
    },
    [Symbol.asyncDispose]: async () => void log.push(`${name} dispose`),
  };
}

describe('service.start', () => {
  it('opens one after another in order of registration, what is needed first', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(
      recorded(log, 'a', () => sleep(1)),
      { dependsOn: ['c'] },
    );
    owner.own(recorded(log, 'b', () => sleep(2)));
    owner.own(recorded(log, 'c', () => sleep(1)));
    expect(owner.state).toBe('created');
    const started = owner.start();
    expect(owner.state).toBe('starting');
    await within(10, started);
    expect(owner.state).toBe('running');
    expect(log).toEqual(['b open', 'c open', 'a open']);
    await stop(owner);
    expect(log.slice(3)).toEqual(['b dispose', 'a dispose', 'c dispose']);
  });

  it('is done once, however often it is called', async () => {
    const open = vi.fn<() => void>();
    const owner = service();
    owner.own({ name: 'a', open });
    await Promise.all([owner.start(), owner.start()]);
    await owner.start();
    expect(open).toHaveBeenCalledTimes(1);
  });

  it('opens what is owned while it goes on', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(recorded(log, 'a', () => void owner.own(recorded(log, 'b'))));
    await owner.start();
    expect(log).toEqual(['a open', 'b open']);
    await stop(owner);
  });

  it('gives open a context whose work passes the door', async () => {
    const owner = service();
    const open = vi.fn<NonNullable<Component['open']>>();
    owner.own({ name: 'a', open });
    await owner.start();
    const [ctx] = open.mock.calls[0] ?? [];
    expect(executionOf(ctx)?.isOwnedBy(owner)).toBe(true);
    expect(ctx?.signal.aborted).toBe(false);
  });

  it('tells when it is done', async () => {
    const types: string[] = [];
    using _ = subscribe(({ type }) => types.push(type));
    await service().start();
    expect(types).toEqual(['service.started']);
  });

  it('rejects where something needed is not there, and closes everything', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(recorded(log, 'a'), { dependsOn: ['b'] });
    await expect(owner.start()).rejects.toThrow(
      'dependsOn of "a" must be the name of what is registered, got "b"',
    );
    expect(owner.state).toBe('stopped');
    expect(log).toEqual([]);
  });

  it('that fails disposes of what was opened, the failing part included, runs the hooks, and rejects again with the same error', async () => {
    const log: string[] = [];
    const error = new Error('no database');
    const reported = vi.fn<() => void>();
    const owner = service({ onReport: reported, phases: { 'lame-duck': 5_000 } });
    owner.onShutdown('traces', () => void log.push('traces'), { phase: 'flush' });
    owner.own(recorded(log, 'a'));
    owner.own(recorded(log, 'b', () => Promise.reject(error)));
    owner.own(recorded(log, 'c'));
    await expect(owner.start()).rejects.toBe(error);
    expect(log).toEqual(['a open', 'b dispose', 'a dispose', 'traces']);
    await expect(owner.start()).rejects.toBe(error);
    const report = await owner.shutdown();
    expect(report).toMatchObject({ cause: 'start failed', outcome: 'failed' });
    expect(report.hooks).toEqual([
      { name: 'b', outcome: 'failed', error },
      { name: 'traces', outcome: 'ok', error: undefined },
    ]);
    expect(reported).toHaveBeenCalledTimes(1);
    expect(owner.state).toBe('stopped');
  });

  it('that a shutdown interrupts opens nothing more, is waited for, and rejects at once with a ShuttingDownError', async () => {
    const log: string[] = [];
    const owner = service({ phases: { 'lame-duck': 8_000 } });
    owner.own(recorded(log, 'a'));
    owner.own(recorded(log, 'b', () => sleep(1_000)));
    owner.own(recorded(log, 'c'));
    const started = owner.start();
    await vi.advanceTimersByTimeAsync(100);
    const stopped = owner.shutdown();
    await expect(started).rejects.toBeInstanceOf(ShuttingDownError);
    expect(owner.state).toBe('draining');
    await vi.advanceTimersByTimeAsync(890);
    expect(log).toEqual(['a open']);
    await vi.advanceTimersByTimeAsync(20);
    expect(log).toEqual(['a open', 'b open', 'b dispose', 'a dispose']);
    expect(await stopped).toMatchObject({ outcome: 'clean' }); // and no lame duck: nobody was served
  });

  it('that a shutdown interrupts ends at once where open honours its signal', async () => {
    const owner = service();
    owner.own({ name: 'a', open: ({ signal }) => sleep(60_000, { signal }) });
    const started = owner.start();
    started.catch(() => {});
    const report = await within(0, owner.shutdown());
    expect(report).toMatchObject({ outcome: 'clean', durationMs: 0 });
  });

  it('that a shutdown interrupts gets a grace of 5 s, then what hangs is named as leaked, and disposed of', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(recorded(log, 'hangs', never));
    owner.start().catch(() => {});
    const report = await within(5_000, owner.shutdown());
    expect(report).toMatchObject({ outcome: 'leaked', leaked: ['hangs'], durationMs: 5_000 });
    expect(log).toEqual(['hangs dispose']);
  });

  it('rejects once a shutdown has begun', async () => {
    const owner = service();
    await stop(owner);
    await expect(owner.start()).rejects.toBeInstanceOf(ShuttingDownError);
    expect(owner.state).toBe('stopped');
  });

  it('does not come to running when the shutdown begins as the last component opens', async () => {
    const owner = service();
    owner.own({ name: 'a', open: () => void owner.shutdown() });
    await expect(owner.start()).rejects.toBeInstanceOf(ShuttingDownError);
    await stop(owner);
    expect(owner.state).toBe('stopped');
  });
});

describe('service.own', () => {
  it('leaves alone what has something to open and was never opened', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(recorded(log, 'a'));
    expect((await stop(owner)).outcome).toBe('clean');
    expect(log).toEqual([]);
  });

  it('takes what is owned after the start as open', async () => {
    const log: string[] = [];
    const owner = service();
    await owner.start();
    owner.own(recorded(log, 'a'));
    expect((await owner.health()).ready).toBe(true);
    await stop(owner);
    expect(log).toEqual(['a dispose']);
  });

  it('returns the component, which get finds by its name', () => {
    const owner = service();
    const component = { name: 'a' };
    expect(owner.own(component)).toBe(component);
    expect(owner.get('a')).toBe(component);
    expect(owner.get('b')).toBeUndefined();
    expect(owner.get('tasks')).toBe(owner.tasks);
  });

  it('changes nothing for what it owns already, and refuses another of the same name', () => {
    const owner = service();
    const component = { name: 'a' };
    owner.own(component);
    owner.own(component);
    expect(() => owner.own({ name: 'a' })).toThrow(RangeError);
    expect(() => owner.own({ name: 'tasks' })).toThrow(RangeError);
  });

  it.each([
    [null, TypeError],
    ['a', TypeError],
    [{}, TypeError],
    [{ name: '' }, RangeError],
  ])('refuses %j', (component, error) => {
    expect(() => service().own(component as never)).toThrow(error);
  });

  it('refuses circles, unknown phases and bad options', () => {
    const owner = service();
    owner.own({ name: 'a' }, { dependsOn: ['b'] });
    expect(() => owner.own({ name: 'b' }, { dependsOn: ['a'] })).toThrow('b > a > b');
    expect(owner.get('b')).toBeUndefined();
    expect(() => owner.own({ name: 'c' }, { phase: 'drain' })).toThrow(RangeError);
    expect(() => owner.own({ name: 'c' }, { timeout: 1 } as never)).toThrow(TypeError);
    expect(() => owner.own({ name: 'c' }, { dependsOn: 'a' } as never)).toThrow(TypeError);
  });

  it('lets a hook and a component share a name', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(recorded(log, 'db'));
    owner.onShutdown('db', () => void log.push('hook'));
    await owner.start();
    await stop(owner);
    expect(log).toEqual(['db open', 'hook', 'db dispose']);
  });

  it('checks the options of the service', () => {
    expect(() => new Service({} as never)).toThrow(TypeError);
    expect(() => new Service({ name: '' })).toThrow(RangeError);
    expect(() => new Service({ name: 's', tasks: { name: 'x' } } as never)).toThrow(TypeError);
    expect(() => new Service({ name: 's', tasks: { maxTasks: 0 } })).toThrow(RangeError);
    expect(() => new Service({ name: 's', timeoutMs: 1 } as never)).toThrow(TypeError);
  });
});
