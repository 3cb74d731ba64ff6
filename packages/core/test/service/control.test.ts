import { describe, expect, it, vi } from 'vitest';
import { sleep } from '../../src/index.ts';
import { controlOf } from '../../src/internal.ts';
import { durations, never, service, useFakeTime, within } from './fake-time.ts';

useFakeTime();

describe('the control of a service', () => {
  it('gives a trigger of which a balancer learns late a lame duck of a fifth of the budget', async () => {
    const owner = service();
    const report = await within(
      5_000,
      controlOf(owner).shutdown({ cause: 'SIGTERM', lameDuck: 'late-balancer' }),
    );
    expect(durations(report)['lame-duck']).toBe(5_000);
    expect(controlOf(owner).budgetMs).toBe(25_000);
  });

  it('keeps a lame duck that the options set', async () => {
    const owner = service({ phases: { 'lame-duck': 0 } });
    const report = await within(
      0,
      controlOf(owner).shutdown({ cause: 'SIGTERM', lameDuck: 'late-balancer' }),
    );
    expect(durations(report)['lame-duck']).toBe(0);
  });

  it('skips a lame duck that the options set for a trigger after which nobody sends anything', async () => {
    const owner = service({ phases: { 'lame-duck': 5_000 } });
    const report = await within(0, controlOf(owner).shutdown({ cause: 'beforeExit', lameDuck: 'skip' }));
    expect(durations(report)['lame-duck']).toBe(0);
  });

  it.each(['lame-duck', 'drain'] as const)(
    'escalates from %s to cancel, and carries no unspent time there',
    async (from) => {
      const owner = service({ phases: { 'lame-duck': from === 'lame-duck' ? 5_000 : 0 } });
      owner.tasks.spawn(never, { name: 'stubborn' });
      const promise = owner.shutdown();
      await vi.advanceTimersByTimeAsync(100);
      controlOf(owner).escalate();
      controlOf(owner).escalate();
      const report = await within(2_000, promise);
      expect(report).toMatchObject({ outcome: 'leaked', durationMs: 2_100 });
      expect(report.phases.map(({ phase }) => phase)).toEqual([
        'lame-duck',
        ...(from === 'drain' ? ['intake', 'drain'] : []),
        'cancel',
        'close',
        'flush',
      ]);
    },
  );

  it('leaves the outcome to the work when it escalates', async () => {
    const owner = service();
    owner.tasks.spawn(({ signal }) => sleep(60_000, { signal }));
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    controlOf(owner).escalate();
    expect(await within(0, promise)).toMatchObject({ outcome: 'clean', tasks: { cancelled: 1 } });
  });

  it('escalates past hooks of the phases it leaves, which are reported as timed out', async () => {
    const owner = service({ phases: { 'lame-duck': 5_000 } });
    owner.onShutdown('in drain', () => {}, { phase: 'drain' });
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    controlOf(owner).escalate();
    expect((await within(0, promise)).hooks).toMatchObject([{ name: 'in drain', outcome: 'timed-out' }]);
  });

  it('forces a flush of half a second and the end', async () => {
    const owner = service();
    owner.tasks.spawn(never, { name: 'stubborn' });
    owner.onShutdown('traces', never, { phase: 'flush' });
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    controlOf(owner).force();
    const report = await within(500, promise);
    expect(report).toMatchObject({ outcome: 'forced', leaked: ['stubborn'], durationMs: 600 });
  });

  it('shortens a flush that runs already', async () => {
    const owner = service();
    owner.onShutdown('traces', never, { phase: 'flush', timeoutMs: 60_000 });
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(1_000);
    controlOf(owner).force();
    expect(await within(500, promise)).toMatchObject({ outcome: 'forced', durationMs: 1_500 });
  });

  it('does nothing before a shutdown and after it', async () => {
    const owner = service();
    controlOf(owner).escalate();
    controlOf(owner).force();
    expect(owner.state).toBe('created');
    const report = await owner.shutdown();
    controlOf(owner).escalate();
    controlOf(owner).force();
    expect(report.outcome).toBe('clean');
    expect(await owner.shutdown()).toBe(report);
  });

  it('starts a shutdown without a lame duck on a fatal error, and says failed', async () => {
    const owner = service({ phases: { 'lame-duck': 5_000 } });
    const error = new Error('uncaught');
    const report = await within(0, controlOf(owner).fatal('uncaughtException', error));
    expect(report).toMatchObject({ cause: 'uncaughtException', outcome: 'failed', durationMs: 0 });
    expect(report.hooks).toEqual([{ name: 'uncaughtException', outcome: 'failed', error }]);
  });

  it('goes to cancel on a fatal error during a shutdown, and to the flush on the next', async () => {
    const owner = service();
    owner.tasks.spawn(never, { name: 'stubborn' });
    const flush = vi.fn<() => void>();
    owner.onShutdown('traces', flush, { phase: 'flush' });
    const promise = owner.shutdown({ cause: 'SIGTERM' });
    await vi.advanceTimersByTimeAsync(100);
    void controlOf(owner).fatal('uncaughtException', new Error('first'));
    await vi.advanceTimersByTimeAsync(100);
    expect(owner.signalAt('cancel').aborted).toBe(true);
    void controlOf(owner).fatal('uncaughtException', new Error('second'));
    const report = await within(0, promise);
    expect(report).toMatchObject({
      cause: 'SIGTERM',
      outcome: 'failed',
      leaked: ['stubborn'],
      durationMs: 200,
    });
    expect(flush).toHaveBeenCalledTimes(1);
  });

  it('counts the open scopes', () => {
    const owner = service();
    const handle = owner.openScope();
    expect(controlOf(owner).scopes).toBe(1);
    handle.end();
    expect(controlOf(owner).scopes).toBe(0);
  });
});
