import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Service,
  ShuttingDownError,
  TimeoutError,
  sleep,
  subscribe,
  type Component,
  type HoldfastEvent,
} from '../../src/index.ts';
import { controlOf } from '../../src/internal.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const never = (): Promise<never> => new Promise(() => {});

function recorder(log: string[], name: string, more: Partial<Component> = {}): Component {
  return {
    name,
    open: () => void log.push(`${name} open`),
    [Symbol.asyncDispose]: async () => void log.push(`${name} dispose`),
    ...more,
  };
}

async function report(service: Service, advanceMs = 30_000) {
  const promise = service.shutdown();
  await vi.advanceTimersByTimeAsync(advanceMs);
  return promise;
}

describe('Service: start', () => {
  it('opens components one after another in order of registration, what is needed first', async () => {
    const log: string[] = [];
    const service = new Service({ name: 's' });
    service.own(recorder(log, 'a'), { dependsOn: ['c'] });
    service.own(recorder(log, 'b'));
    service.own(recorder(log, 'c'));
    expect(service.state).toBe('created');
    const starting = service.start();
    expect(service.state).toBe('starting');
    await starting;
    expect(service.state).toBe('running');
    expect(log).toEqual(['b open', 'c open', 'a open']);
    await report(service);
    expect(service.state).toBe('stopped');
    expect(log.slice(3)).toEqual(['b dispose', 'a dispose', 'c dispose']);
  });

  it('disposes of what was opened when a start fails, the failing part included, and rejects again with the same error', async () => {
    const log: string[] = [];
    const error = new Error('no database');
    const service = new Service({ name: 's' });
    service.own(recorder(log, 'a'));
    service.own(recorder(log, 'b', { open: () => Promise.reject(error) }));
    service.own(recorder(log, 'c'));
    await expect(service.start()).rejects.toBe(error);
    await expect(service.start()).rejects.toBe(error);
    expect(log).toEqual(['a open', 'b dispose', 'a dispose']);
    const { outcome, hooks } = await service.shutdown();
    expect(outcome).toBe('failed');
    expect(hooks).toEqual([{ name: 'b', outcome: 'failed', error }]);
  });

  it('waits for a start that a shutdown interrupts before it closes anything', async () => {
    const log: string[] = [];
    const service = new Service({ name: 's' });
    service.own(recorder(log, 'a'));
    service.own(
      recorder(log, 'b', {
        open: async () => {
          await sleep(1_000);
          log.push('b open');
        },
      }),
    );
    service.own(recorder(log, 'c'));
    const starting = service.start();
    starting.catch(() => {});
    await vi.advanceTimersByTimeAsync(10);
    const result = await report(service);
    await expect(starting).rejects.toBeInstanceOf(ShuttingDownError);
    expect(log).toEqual(['a open', 'b open', 'b dispose', 'a dispose']);
    expect(result.outcome).toBe('clean');
  });
});

describe('Service: shutdown', () => {
  it('runs the phases in order and every hook in its phase', async () => {
    const log: string[] = [];
    const events: HoldfastEvent[] = [];
    using _ = subscribe((event) => events.push(event));
    const service = new Service({ name: 's' });
    for (const phase of ['flush', 'close', 'cancel', 'drain', 'intake', 'lame-duck'] as const)
      service.onShutdown(phase, ({ cause }) => void log.push(`${phase} ${cause}`), { phase });
    const promise = service.shutdown({ cause: 'SIGTERM' });
    await vi.advanceTimersByTimeAsync(0);
    const result = await promise;
    const phases = ['lame-duck', 'intake', 'drain', 'cancel', 'close', 'flush'];
    expect(log).toEqual(phases.map((phase) => `${phase} SIGTERM`));
    expect(result).toMatchObject({ cause: 'SIGTERM', outcome: 'clean', leaked: [] });
    expect(result.phases.map(({ phase }) => phase)).toEqual(phases);
    expect(result.hooks).toHaveLength(6);
    expect(events.map(({ type }) => type)).toEqual([
      'service.shutdown',
      ...phases.map(() => 'service.phase'),
      'service.report',
    ]);
    expect(service.shutdown()).toBe(service.shutdown());
    expect(await service.shutdown()).toBe(result);
  });

  it('cancels what does not drain, names what ignores that, and says leaked', async () => {
    const service = new Service({ name: 's' });
    service.tasks.spawn(never, { name: 'stubborn' });
    service.tasks.spawn(({ signal }) => sleep(60_000, { signal }), { name: 'polite' });
    const result = await report(service);
    expect(result).toMatchObject({
      outcome: 'leaked',
      leaked: ['stubborn'],
      tasks: { completed: 0, failed: 0, cancelled: 1, leaked: ['stubborn'] },
    });
    expect(result.phases.find(({ phase }) => phase === 'drain')?.durationMs).toBe(10_000);
    expect(result.phases.find(({ phase }) => phase === 'cancel')?.durationMs).toBe(2_000);
  });

  it('says timed-out and flushes when the budget is used up', async () => {
    const log: string[] = [];
    const service = new Service({ name: 's', shutdown: { budgetMs: 10_000, phases: { drain: 60_000 } } });
    service.tasks.spawn(never, { name: 'stubborn' });
    service.onShutdown('closing', () => void log.push('close'));
    service.onShutdown('traces', () => void log.push('flush'), { phase: 'flush' });
    const result = await report(service, 10_000);
    expect(log).toEqual(['flush']);
    expect(result).toMatchObject({ outcome: 'timed-out', leaked: ['stubborn'], durationMs: 9_500 });
    expect(result.hooks).toMatchObject([
      { name: 'closing', outcome: 'timed-out' },
      { name: 'traces', outcome: 'ok' },
    ]);
  });

  it('goes on after a hook that hangs or throws undefined', async () => {
    const service = new Service({ name: 's' });
    service.onShutdown('hangs', never, { timeoutMs: 100 });
    service.onShutdown('throws', () => Promise.reject(undefined));
    const result = await report(service);
    expect(result.outcome).toBe('failed');
    expect(result.hooks).toEqual([
      { name: 'throws', outcome: 'failed', error: undefined },
      { name: 'hangs', outcome: 'timed-out', error: expect.any(TimeoutError) },
    ]);
  });

  it('escalates to cancel, and is forced to the flush', async () => {
    const service = new Service({ name: 's' });
    service.tasks.spawn(never, { name: 'stubborn' });
    const promise = service.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    controlOf(service).escalate();
    await vi.advanceTimersByTimeAsync(100);
    expect(service.signalAt('cancel').aborted).toBe(true);
    controlOf(service).force();
    const result = await promise;
    expect(result).toMatchObject({ outcome: 'forced', leaked: ['stubborn'], durationMs: 200 });
  });
});
