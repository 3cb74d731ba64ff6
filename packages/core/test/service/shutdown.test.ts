import { describe, expect, it, vi } from 'vitest';
import {
  ShuttingDownError,
  sleep,
  subscribe,
  type Component,
  type DrainOptions,
  type DrainReport,
  type HoldfastEvent,
} from '../../src/index.ts';
import { ADOPT, Execution, EXECUTION, IdleLine, controlOf, type Door } from '../../src/internal.ts';
import { PHASES } from '../../src/service/phases.ts';
import { durations, never, service, stop, useFakeTime, within } from './fake-time.ts';

useFakeTime();

/** Holds items until somebody finishes them; like a queue, it has lost what it still holds when it is cancelled. */
class Holder implements Component {
  readonly calls: string[] = [];
  readonly reasons: unknown[] = [];
  readonly #idle = new IdleLine(() => (this.reasons.length > 0 ? 0 : this.held));
  #lost = 0;
  door: Door | undefined;

  constructor(
    readonly name: string,
    public held = 0,
  ) {}

  [ADOPT](door: Door): void {
    this.door = door;
  }

  put(ctx = {}): void {
    const refusal = this.door?.refusal(ctx);
    if (refusal !== undefined) throw refusal;
    this.held += 1;
  }

  finish(): void {
    this.held -= 1;
    this.#idle.settle();
  }

  close(): void {
    this.calls.push('close');
  }

  async drain(options?: DrainOptions): Promise<DrainReport> {
    this.calls.push('drain');
    const report = await this.#idle.drain(options);
    return this.#lost > 0 ? { drained: false, left: this.#lost, leaked: [] } : report;
  }

  cancel(reason: unknown): void {
    this.calls.push('cancel');
    this.#lost = this.held;
    this.reasons.push(reason);
    this.#idle.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.calls.push('dispose');
  }
}

/** A server whose close settles when its last request is gone. */
function server(counts = { drained: 0, cancelled: 0, rejected: 0 }) {
  const log: string[] = [];
  const left = new AbortController();
  const empty = new Promise<DrainReport>((resolve) => {
    left.signal.addEventListener('abort', () => resolve({ drained: true, left: 0, leaked: [] }));
  });
  const component = {
    name: 'server',
    close: async () => {
      log.push('close');
      await empty;
    },
    drain: () => empty,
    cancel: () => {
      log.push('cancel');
      left.abort();
    },
    requests: () => counts,
  } satisfies Component;
  return { component, log, leave: () => left.abort() };
}

const fails = (what: string) => (): never => {
  throw new Error(what);
};

const after = async (ms: number): Promise<DrainReport> => {
  await sleep(ms);
  return { drained: true, left: 0, leaked: [] };
};

const ok = (name: string) => ({ name, outcome: 'ok', error: undefined });

const tracked = (owner: object) => ({ [EXECUTION]: new Execution(undefined, owner) });

describe('service.shutdown', () => {
  it('goes through the phases in order, with their signals, states and events', async () => {
    const events: HoldfastEvent[] = [];
    using _ = subscribe((event) => events.push(event));
    const owner = service();
    const log: string[] = [];
    for (const phase of PHASES) {
      owner.signalAt(phase).addEventListener('abort', () => log.push(`${phase} ${owner.state}`));
    }
    expect(PHASES.every((phase) => !owner.signalAt(phase).aborted)).toBe(true);
    const report = await stop(owner, 'SIGTERM');
    expect(log).toEqual(
      [
        'lame-duck running',
        'intake draining',
        'drain draining',
        'cancel draining',
        'close draining',
        'flush closing',
      ].map((line) => (line === 'lame-duck running' ? 'lame-duck created' : line)),
    );
    expect(owner.state).toBe('stopped');
    for (const phase of PHASES) expect(owner.signalAt(phase).reason).toBeInstanceOf(ShuttingDownError);
    expect(() => owner.signalAt('later' as never)).toThrow(RangeError);
    expect(report).toEqual({
      cause: 'SIGTERM',
      outcome: 'clean',
      durationMs: 0,
      phases: PHASES.map((phase) => ({ phase, durationMs: 0 })),
      requests: { drained: 0, cancelled: 0, rejected: 0 },
      tasks: { completed: 0, failed: 0, cancelled: 0, leaked: [] },
      components: {},
      hooks: [],
      leaked: [],
    });
    expect(events.map(({ type, name, data }) => [type, name, data['phase'] ?? data['cause']])).toEqual([
      ['service.shutdown', 's', 'SIGTERM'],
      ...PHASES.map((phase) => ['service.phase', 's', phase]),
      ['service.report', 's', 'SIGTERM'],
    ]);
  });

  it('is done once: the same promise while it runs and afterwards', async () => {
    const dispose = vi.fn<() => Promise<void>>(() => sleep(10));
    const owner = service();
    owner.own({ name: 'a', [Symbol.asyncDispose]: dispose });
    const first = owner.shutdown({ cause: 'first' });
    expect(owner.shutdown({ cause: 'second' })).toBe(first);
    const report = await within(10, first);
    expect(await owner.shutdown()).toBe(report);
    await owner[Symbol.asyncDispose]();
    expect(report.cause).toBe('first');
    expect(dispose).toHaveBeenCalledTimes(1);
  });

  it('may be asked for again by whoever observes it', async () => {
    const owner = service();
    const reports: unknown[] = [];
    using _ = subscribe(() => reports.push(owner.shutdown()));
    const promise = owner.shutdown();
    await promise;
    expect(new Set(reports)).toEqual(new Set([promise]));
  });

  it('is what disposing of the service does', async () => {
    const owner = service();
    await owner[Symbol.asyncDispose]();
    expect(await owner.shutdown()).toMatchObject({ cause: 'dispose', outcome: 'clean' });
  });

  it('rejects on bad options, and begins nothing', async () => {
    const owner = service();
    await expect(owner.shutdown({ cause: 1 as never })).rejects.toThrow(TypeError);
    await expect(owner.shutdown({ cause: '' })).rejects.toThrow(RangeError);
    await expect(owner.shutdown({ cause: null as never })).rejects.toThrow(TypeError);
    await expect(owner.shutdown({ reason: 'x' } as never)).rejects.toThrow(TypeError);
    await expect(owner.shutdown(null as never)).rejects.toThrow(TypeError);
    expect(owner.state).toBe('created');
  });

  it('serves on during the lame duck: the door is open, readiness is false', async () => {
    const owner = service({ phases: { 'lame-duck': 5_000 } });
    const queue = owner.own(new Holder('queue'));
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(4_999);
    queue.put();
    owner.openScope().end();
    expect((await owner.health()).ready).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(() => queue.put()).toThrow(ShuttingDownError);
    queue.finish();
    expect(durations(await within(0, promise))).toMatchObject({ 'lame-duck': 5_000, drain: 0 });
  });

  it('closes at the intake what has no door of its own, without waiting for it, the later registered first', async () => {
    const order: string[] = [];
    const owner = service();
    owner.own({ name: 'a', close: () => void order.push('a') });
    const { component, log, leave } = server();
    owner.own({ ...component, close: () => (order.push('server'), component.close()) });
    const queue = owner.own(new Holder('queue', 1));
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    expect(order).toEqual(['server', 'a']);
    expect(log).toEqual(['close']);
    expect(queue.calls).not.toContain('close');
    queue.finish();
    leave();
    expect(await within(0, promise)).toMatchObject({ outcome: 'clean', durationMs: 100 });
    expect(queue.calls).toContain('close');
  });

  it('lets tracked work pass the closed door until the cancel phase', async () => {
    const owner = service();
    const queue = owner.own(new Holder('queue', 1));
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    expect(() => queue.put()).toThrow(ShuttingDownError);
    queue.put(tracked(owner));
    expect(() => queue.put(tracked({}))).toThrow(ShuttingDownError);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(() => queue.put(tracked(owner))).toThrow(ShuttingDownError);
    await promise;
  });

  it('drains until everything is idle in the same pass: what one finishes may be work for another', async () => {
    const owner = service();
    const first = owner.own(new Holder('first'));
    const second = owner.own(new Holder('second', 1));
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    expect(first.calls).toEqual(['drain']); // it was idle, long ago
    first.put(tracked(owner));
    second.finish();
    await vi.advanceTimersByTimeAsync(100);
    second.put(tracked(owner));
    first.finish();
    await vi.advanceTimersByTimeAsync(100);
    expect(owner.state).toBe('draining');
    second.finish();
    const report = await within(0, promise);
    expect(report).toMatchObject({ outcome: 'clean', durationMs: 300 });
    expect([first.reasons, second.reasons]).toEqual([[], []]);
  });

  it('drains what has no door and feeds another that has none', async () => {
    const owner = service();
    let fed = 0;
    owner.own({ name: 'fed', drain: () => after(fed) });
    owner.own({ name: 'feeds', drain: () => (fed === 0 ? after(100).finally(() => (fed = 50)) : after(0)) });
    expect(durations(await stop(owner))['drain']).toBe(150);
  });

  it('waits in the drain for a close that takes its time, where there is no drain', async () => {
    const owner = service();
    owner.own({ name: 'closes', close: () => sleep(500) });
    const report = await stop(owner);
    expect(durations(report)).toMatchObject({ intake: 0, drain: 500 });
    expect(report.components['closes']).toEqual({ drained: true, left: 0, leaked: [] });
  });

  it('says clean where what would not become idle by waiting does by its cancel', async () => {
    const owner = service();
    let paused = true;
    owner.own({
      name: 'paused',
      drain: async () => ({ drained: !paused, left: paused ? 2 : 0, leaked: [] }),
      cancel: () => (paused = false),
    });
    expect(await stop(owner)).toMatchObject({
      outcome: 'clean',
      components: { paused: { drained: false, left: 2, leaked: [] } },
    });
  });

  it('drains what a drain hook adds', async () => {
    const owner = service();
    const queue = owner.own(new Holder('queue'));
    owner.onShutdown(
      'last words',
      async (ctx) => {
        await sleep(100);
        queue.put(ctx);
        setTimeout(() => queue.finish(), 100);
      },
      { phase: 'drain' },
    );
    expect(durations(await stop(owner))['drain']).toBe(200);
  });

  it('cancels what is not drained at the end of the phase, and nothing else', async () => {
    const owner = service();
    const idle = owner.own(new Holder('idle'));
    const busy = owner.own(new Holder('busy', 3));
    const report = await stop(owner);
    expect(idle.calls).toEqual(expect.arrayContaining(['drain', 'close', 'dispose']));
    expect(idle.reasons).toEqual([]);
    expect(busy.reasons).toEqual([owner.signalAt('cancel').reason]);
    expect(busy.reasons[0]).toBeInstanceOf(ShuttingDownError);
    expect(durations(report)).toMatchObject({ drain: 10_000, cancel: 0 });
    expect(report.components).toEqual({
      idle: { drained: true, left: 0, leaked: [] },
      busy: { drained: false, left: 3, leaked: [] },
    });
  });

  it('cancels what was idle early and has work again', async () => {
    const owner = service();
    const fed = owner.own(new Holder('fed'));
    owner.own(new Holder('busy', 1));
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    fed.put(tracked(owner));
    const report = await within(30_000, promise);
    expect(report.components['fed']).toEqual({ drained: false, left: 1, leaked: [] });
    expect(fed.calls.at(-1)).toBe('dispose');
  });

  it('says failed where accepted items are lost, and clean where cancelled work honours its signal', async () => {
    const lossy = service();
    lossy.own(new Holder('queue', 1));
    expect((await stop(lossy)).outcome).toBe('failed');
    const polite = service();
    polite.tasks.spawn(({ signal }) => sleep(60_000, { signal }), { name: 'polite' });
    expect(await stop(polite)).toMatchObject({
      outcome: 'clean',
      tasks: { completed: 0, failed: 0, cancelled: 1, leaked: [] },
    });
  });

  it('names what ignores its abort, waits for it no longer than the cancel phase, and says leaked', async () => {
    const owner = service();
    owner.tasks.spawn(never, { name: 'stubborn' });
    owner.own({ name: 'queue', drain: never, cancel: () => {} });
    owner.own({
      name: 'jobs',
      drain: ({ timeoutMs } = {}) =>
        timeoutMs === 0 ? Promise.resolve({ drained: false, left: 1, leaked: ['job 7'] }) : never(),
      [Symbol.asyncDispose]: never,
    });
    const report = await stop(owner);
    expect(report).toMatchObject({ outcome: 'leaked', leaked: ['stubborn', 'queue', 'job 7'] });
    expect(report.tasks.leaked).toEqual(['stubborn']);
    expect(report.components['jobs']).toEqual({ drained: false, left: 1, leaked: ['job 7'] });
    expect(report.hooks).toMatchObject([{ name: 'jobs', outcome: 'timed-out' }]);
    expect(durations(report)).toMatchObject({ drain: 10_000, cancel: 2_000, close: 3_000 });
  });

  it('counts the tasks since it began', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    const owner = service();
    await owner.tasks.spawn(() => 1);
    owner.tasks.spawn(() => sleep(10));
    owner.tasks.spawn(() => Promise.reject(new Error('no')), { onError: () => {} });
    owner.tasks.spawn(({ signal }) => sleep(60_000, { signal }), { atShutdown: 'cancel' });
    expect(await stop(owner)).toMatchObject({
      outcome: 'clean',
      tasks: { completed: 1, failed: 1, cancelled: 1, leaked: [] },
    });
    vi.restoreAllMocks();
  });

  it('asks a component no more that says it will not become idle, and cancels it', async () => {
    const drain = vi.fn<() => Promise<DrainReport>>(async () => ({ drained: false, left: 2, leaked: [] }));
    const cancel = vi.fn<() => void>();
    const owner = service();
    owner.own({ name: 'paused', drain, cancel });
    const report = await within(0, owner.shutdown());
    expect(cancel).toHaveBeenCalledTimes(1);
    expect(report).toMatchObject({ outcome: 'failed', durationMs: 0 });
    expect(report.components['paused']).toEqual({ drained: false, left: 2, leaked: [] });
  });

  it('records what close, drain, cancel and dispose throw, and goes on', async () => {
    const owner = service();
    owner.own({ name: 'a', close: fails('close') });
    owner.own({ name: 'b', drain: fails('drain'), cancel: fails('cancel') });
    owner.own({ name: 'c', [Symbol.asyncDispose]: fails('dispose') });
    const { hooks, outcome } = await stop(owner);
    expect(outcome).toBe('failed');
    expect(hooks.map(({ name, error }) => [name, (error as Error).message])).toEqual(
      expect.arrayContaining([
        ['a', 'close'],
        ['b', 'drain'],
        ['b', 'cancel'],
        ['c', 'dispose'],
      ]),
    );
  });

  it('gives a disposal its own time-out', async () => {
    const owner = service();
    owner.own({ name: 'a', [Symbol.asyncDispose]: never }, { timeoutMs: 100 });
    expect(await stop(owner)).toMatchObject({
      outcome: 'failed',
      durationMs: 100,
      hooks: [{ name: 'a', outcome: 'timed-out' }],
    });
  });

  it('disposes in the flush phase of what asks for it', async () => {
    const log: string[] = [];
    const owner = service();
    owner.own(
      { name: 'exporter', [Symbol.asyncDispose]: async () => void log.push('exporter') },
      { phase: 'flush' },
    );
    owner.onShutdown('pool', () => void log.push('pool'));
    await stop(owner);
    expect(log).toEqual(['pool', 'exporter']);
  });

  it('takes in what is owned while it goes on, until that could not be disposed of any more', async () => {
    const log: string[] = [];
    const owner = service();
    owner.onShutdown(
      'opens late',
      () => {
        owner.own({
          name: 'late',
          close: () => void log.push('close'),
          [Symbol.asyncDispose]: async () => void log.push('dispose'),
        });
      },
      { phase: 'drain' },
    );
    owner.onShutdown(
      'too late',
      () => {
        expect(() => owner.own({ name: 'too late' })).toThrow(ShuttingDownError);
        expect(owner.get('too late')).toBeUndefined();
      },
      { phase: 'flush' },
    );
    expect((await stop(owner)).hooks.map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
    expect(log).toEqual(['close', 'dispose']);
  });
});

describe('servers', () => {
  it('count the requests, and are waited for in the drain', async () => {
    const owner = service();
    const { component, log, leave } = server({ drained: 2, cancelled: 0, rejected: 1 });
    owner.own(component);
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(500);
    leave();
    const report = await within(0, promise);
    expect(report).toMatchObject({
      outcome: 'clean',
      requests: { drained: 2, cancelled: 0, rejected: 1 },
      durationMs: 500,
    });
    expect(log).toEqual(['close']);
  });

  it('are cancelled when half of the cancel phase is over, so that aborted requests can be answered; that is clean', async () => {
    const owner = service();
    const { component, log } = server({ drained: 0, cancelled: 1, rejected: 0 });
    owner.own(component);
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(10_999);
    expect(log).toEqual(['close']);
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(['close', 'cancel']);
    expect(await promise).toMatchObject({ outcome: 'clean', requests: { cancelled: 1 }, durationMs: 11_000 });
  });

  it('are cancelled once, and named where they do not end by it', async () => {
    const owner = service();
    const cancel = vi.fn<() => void>();
    owner.own({ ...server().component, cancel });
    expect(await stop(owner)).toMatchObject({ outcome: 'leaked', leaked: ['server'] });
    expect(cancel).toHaveBeenCalledTimes(1);
  });

  it('are cancelled at once where nobody waits for the cancel phase', async () => {
    const owner = service();
    const { component, log } = server();
    owner.own(component);
    const promise = owner.shutdown();
    await vi.advanceTimersByTimeAsync(100);
    controlOf(owner).force();
    expect(await promise).toMatchObject({ outcome: 'forced', leaked: [] });
    expect(log).toEqual(['close', 'cancel']);
  });

  /** A server whose drain keeps to its time, and whose cancel ends all it has. */
  function prompt(): Component {
    let open = 1;
    const idle = new IdleLine(() => open);
    return {
      name: 'server',
      close: () => {},
      drain: (options) => idle.drain(options),
      cancel: () => {
        open = 0;
        idle.settle();
      },
      requests: () => ({ drained: 0, cancelled: 1, rejected: 0 }),
    };
  }

  it('are asked again in the cancel phase where their drain had ended with requests left', async () => {
    const owner = service();
    owner.own(prompt());
    expect(await stop(owner)).toMatchObject({ outcome: 'clean', leaked: [], durationMs: 11_000 });
  });

  it('that end when they are cancelled have not leaked, also where nobody waited for that', async () => {
    const owner = service({ phases: { drain: 0, cancel: 0 } });
    owner.own(prompt());
    expect(await stop(owner)).toMatchObject({ outcome: 'clean', leaked: [] });
  });

  it('and others that ended when they were cancelled have not leaked where the time is used up afterwards', async () => {
    const owner = service({ budgetMs: 3_000, phases: { 'lame-duck': 600 } });
    owner.own(prompt());
    owner.onShutdown('hanging', () => new Promise(() => {}), { timeoutMs: Infinity });
    expect(await stop(owner)).toMatchObject({ outcome: 'timed-out', leaked: [] });
  });

  it('are not cancelled where aborted requests answer in time', async () => {
    const owner = service();
    const { component, log, leave } = server();
    owner.own(component);
    const handle = owner.openScope();
    handle.scope.signal.addEventListener('abort', () => {
      setTimeout(() => {
        handle.end();
        leave();
      }, 100);
    });
    const report = await stop(owner);
    expect(durations(report)).toMatchObject({ drain: 10_000, cancel: 100 });
    expect(log).toEqual(['close']);
  });
});

describe('time', () => {
  it('that a phase leaves goes to later ones', async () => {
    const owner = service();
    owner.onShutdown('slow', never, { timeoutMs: 60_000 });
    const report = await stop(owner);
    expect(durations(report)).toMatchObject({ drain: 0, cancel: 0, close: 17_000 }); // its 5, and 10 and 2
  });

  it('that a phase of 0 leaves is none', async () => {
    const owner = service({ phases: { drain: 0, cancel: 0 } });
    owner.onShutdown('slow', never, { timeoutMs: 60_000 });
    expect(durations(await stop(owner))).toMatchObject({ close: 5_000 });
  });

  it('is over at the cut: the rest is jumped over, work is cancelled, the flush runs, and the outcome is timed-out', async () => {
    const log: string[] = [];
    const owner = service({ budgetMs: 10_000, phases: { drain: 60_000 } });
    const queue = owner.own(new Holder('queue', 1));
    const handle = owner.openScope();
    handle.scope.signal.addEventListener('abort', () => handle.end());
    owner.tasks.spawn(never, { name: 'stubborn' });
    owner.tasks.spawn(({ signal }) => sleep(60_000, { signal }), { name: 'polite' });
    owner.onShutdown('closing', () => void log.push('close'));
    owner.onShutdown('traces', () => void log.push('flush'), { phase: 'flush' });
    const report = await within(10_000, owner.shutdown());
    expect(log).toEqual(['flush']);
    expect(report).toMatchObject({
      outcome: 'timed-out',
      leaked: ['stubborn'],
      durationMs: 9_500,
      requests: { drained: 0, cancelled: 1, rejected: 0 },
      tasks: { cancelled: 1, leaked: ['stubborn'] },
      components: { queue: { drained: false, left: 1 } },
    });
    expect(report.phases.map(({ phase }) => phase)).toEqual(['lame-duck', 'intake', 'drain', 'flush']);
    expect(report.hooks).toEqual([
      { name: 'closing', outcome: 'timed-out', error: owner.signalAt('cancel').reason },
      { name: 'traces', outcome: 'ok', error: undefined },
    ]);
    expect(queue.reasons).toHaveLength(1);
    handle.end();
  });

  it('is kept for the flush though every phase is set to 0', async () => {
    const owner = service({ phases: { drain: 0, cancel: 0, close: 0, flush: 0 } });
    owner.onShutdown('traces', () => sleep(499), { phase: 'flush' });
    expect(await stop(owner)).toMatchObject({ outcome: 'clean', hooks: [ok('traces')] });
  });

  it('of a flush that hangs ends with the budget', async () => {
    const owner = service({ budgetMs: 10_000, phases: { drain: 60_000 } });
    owner.tasks.spawn(never);
    owner.onShutdown('traces', never, { phase: 'flush' });
    expect(await within(10_000, owner.shutdown())).toMatchObject({
      outcome: 'timed-out',
      durationMs: 10_000,
    });
  });

  it('is kept for the flush though the loop was blocked for longer than the budget', async () => {
    const log: string[] = [];
    const owner = service({ budgetMs: 1_000 });
    owner.onShutdown('blocks', () => void vi.advanceTimersByTime(5_000), { phase: 'drain' });
    owner.onShutdown('closing', () => void log.push('close'));
    owner.onShutdown(
      'traces',
      async () => {
        await sleep(150);
        log.push('flush');
      },
      { phase: 'flush' },
    );
    const report = await stop(owner);
    expect(log).toEqual(['flush']);
    expect(report).toMatchObject({ outcome: 'timed-out', hooks: expect.arrayContaining([ok('traces')]) });
  });

  it('has an end however small the budget', async () => {
    const owner = service({ budgetMs: 1 });
    owner.tasks.spawn(never);
    owner.onShutdown('a', never, { phase: 'flush' });
    expect(await within(2, owner.shutdown())).toMatchObject({ outcome: 'timed-out' });
  });
});

describe('onReport', () => {
  it('receives the report before shutdown resolves', async () => {
    const seen: unknown[] = [];
    const owner = service({
      onReport: async (report) => {
        await sleep(10);
        seen.push(report);
      },
    });
    const report = await stop(owner);
    expect(seen).toEqual([report]);
  });

  it('changes nothing by what it throws, and does not outlast the budget', async () => {
    const reportError = vi.spyOn(console, 'error').mockImplementation(() => {});
    const error = new Error('no disk');
    const failing = service({
      onReport: () => {
        throw error;
      },
    });
    expect((await stop(failing)).outcome).toBe('clean');
    expect(reportError).toHaveBeenCalledWith(error);
    reportError.mockRestore();
    const hanging = service({ budgetMs: 1_000, onReport: never });
    await within(1_000, hanging.shutdown());
  });
});
