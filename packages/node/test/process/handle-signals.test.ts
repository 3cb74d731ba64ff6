import { Service, sleep, subscribe, type ShutdownReport, type Work } from '@holdfast/core';
import { CONTROL, controlOf, type ShutdownTrigger } from '@holdfast/core/internal';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { handleSignals, type ProcessOptions } from '../../src/index.ts';
import { handleSignalsOf } from '../../src/process/handle-signals.ts';
import { FakeProcess } from './fake-process.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

interface Setup {
  readonly host: FakeProcess;
  readonly service: Service;
  readonly handle: Disposable;
  /** The report, once the service has stopped. */
  readonly reports: ShutdownReport[];
}

function setUp(
  options: ProcessOptions = {},
  host: FakeProcess = new FakeProcess(),
  lameDuckMs?: number,
): Setup {
  const reports: ShutdownReport[] = [];
  const phases = { 'lame-duck': lameDuckMs };
  const service = new Service({
    name: 'test',
    shutdown: { phases, onReport: (report) => void reports.push(report) },
  });
  return { host, service, handle: handleSignalsOf(host, service, options), reports };
}

const never: Work<never> = () => new Promise(() => {});

function ignored(service: Service): void {
  service.tasks.spawn(never, { name: 'deaf' });
}

function polite(service: Service): void {
  service.tasks.spawn(({ signal }) => sleep(1_000_000, { signal }), { name: 'polite' });
}

describe('signals', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'])(
    '%s shuts down, and the process ends with 0',
    async (signal) => {
      const { host, reports } = setUp();
      host.emit(signal);
      await vi.runAllTimersAsync();
      expect(host.ends).toEqual([0]);
      expect(reports).toMatchObject([{ cause: signal, outcome: 'clean' }]);
    },
  );

  it('are those that are asked for', async () => {
    const { host } = setUp({ signals: ['SIGUSR1'] });
    expect(host.listened.filter((event) => event.startsWith('SIG'))).toEqual(['SIGUSR1']);
  });

  it('come from a parent process, too, as the message "shutdown"', async () => {
    const host = new FakeProcess();
    host.channel = {};
    const { reports } = setUp({}, host);
    host.emit('message', 'hello');
    await vi.runAllTimersAsync();
    expect(reports).toEqual([]);
    host.emit('message', 'shutdown');
    await vi.runAllTimersAsync();
    expect(reports).toMatchObject([{ cause: 'message', outcome: 'clean' }]);
    expect(host.ends).toEqual([0]);
  });

  it('from a parent are not listened for where there is none', () => {
    expect(setUp().host.listened).not.toContain('message');
  });

  it('that come twice within half a second are one', async () => {
    const { host, service, reports } = setUp();
    polite(service);
    host.emit('SIGINT');
    await vi.advanceTimersByTimeAsync(499);
    host.emit('SIGINT');
    await vi.advanceTimersByTimeAsync(9_000);
    expect(reports).toEqual([]);
    await vi.runAllTimersAsync();
    expect(reports).toMatchObject([{ outcome: 'clean', tasks: { cancelled: 1 } }]);
  });

  it('SIGINT once more cancels what is in flight; the outcome follows the work', async () => {
    const { host, service, reports } = setUp();
    polite(service);
    host.emit('SIGTERM');
    await vi.advanceTimersByTimeAsync(1_000);
    host.emit('SIGINT');
    await vi.advanceTimersByTimeAsync(0);
    expect(reports).toMatchObject([{ cause: 'SIGTERM', outcome: 'clean', tasks: { cancelled: 1 } }]);
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([0]);
  });

  it('a third SIGINT flushes for half a second and ends the process with 130', async () => {
    const { host, service, reports } = setUp();
    ignored(service);
    const flush = vi.fn<() => Promise<void>>(() => new Promise(() => {}));
    service.onShutdown('traces', flush, { phase: 'flush' });
    for (let press = 1; press <= 3; press += 1) {
      host.emit('SIGINT');
      host.emit('SIGINT'); // npm hands it on a second time
      await vi.advanceTimersByTimeAsync(600);
    }
    expect(flush).toHaveBeenCalledTimes(1);
    expect(reports).toMatchObject([{ outcome: 'forced' }]);
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([130]);
  });

  it('SIGTERM repeated is ignored', async () => {
    const { host, service, reports } = setUp();
    polite(service);
    for (let time = 0; time < 5; time += 1) {
      host.emit('SIGTERM');
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(reports).toEqual([]);
    await vi.runAllTimersAsync();
    expect(reports[0]?.durationMs).toBe(10_000);
  });
});

it('SIGTERM repeated cancels and then forces where it is asked to', async () => {
  const { host, service, reports } = setUp({ secondTerm: 'escalate' });
  ignored(service);
  for (let time = 0; time < 3; time += 1) {
    host.emit('SIGTERM');
    await vi.advanceTimersByTimeAsync(600);
    if (time === 1) expect(service.signalAt('cancel').aborted).toBe(true);
  }
  await vi.runAllTimersAsync();
  expect(reports).toMatchObject([{ cause: 'SIGTERM', outcome: 'forced' }]);
  expect(host.ends).toEqual([143]);
});

async function lameDuckOf(
  signal: string,
  kubernetes: boolean,
  lameDuckMs?: number,
): Promise<number | undefined> {
  const host = new FakeProcess();
  if (kubernetes) host.env['KUBERNETES_SERVICE_HOST'] = '10.0.0.1';
  const { reports } = setUp({}, host, lameDuckMs);
  host.emit(signal);
  await vi.runAllTimersAsync();
  return reports[0]?.phases.find(({ phase }) => phase === 'lame-duck')?.durationMs;
}

describe('the lame duck', () => {
  it('is five seconds on Kubernetes on SIGTERM, and nothing elsewhere or otherwise', async () => {
    expect(await lameDuckOf('SIGTERM', true)).toBe(5_000);
    expect(await lameDuckOf('SIGINT', true)).toBe(0);
    expect(await lameDuckOf('SIGTERM', false)).toBe(0);
  });

  it('is nothing where the event loop is empty, whatever the service says', async () => {
    expect(await lameDuckOf('beforeExit', true, 2_000)).toBe(0);
  });

  it('is what the service says where it says something', async () => {
    expect(await lameDuckOf('SIGTERM', true, 0)).toBe(0);
    expect(await lameDuckOf('SIGTERM', false, 2_000)).toBe(2_000);
  });
});

describe('the exit code', () => {
  it('is 1 where a hook failed', async () => {
    const { host, service } = setUp();
    service.onShutdown('database', () => Promise.reject(new Error('gone')));
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([1]);
  });

  it('is 1 where work ignored its abort', async () => {
    const { host, service, reports } = setUp();
    ignored(service);
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(reports).toMatchObject([{ outcome: 'leaked', leaked: ['deaf'] }]);
    expect(host.ends).toEqual([1]);
  });

  it('is 124 where the budget was used up', async () => {
    const { host, service, reports } = setUp();
    service.onShutdown('slow', never, { phase: 'intake', timeoutMs: 1_000_000 });
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(reports).toMatchObject([{ outcome: 'timed-out' }]);
    expect(host.ends).toEqual([124]);
  });

  it('is that of a time-out for as long as nobody knows better, so that a lost promise cannot end as if all were well', async () => {
    const { host, service } = setUp();
    polite(service);
    host.emit('SIGTERM');
    await vi.advanceTimersByTimeAsync(1);
    expect(host.exitCode).toBe(124);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await vi.runAllTimersAsync();
    expect(host.exitCode).toBe(0);
  });

  it('comes by force a second after the budget where the report itself does not come', async () => {
    const service = new Service({ name: 'test' });
    const control = controlOf(service);
    const stuck = Object.assign(service, {
      [CONTROL]: () => ({
        ...control,
        shutdown: (trigger: ShutdownTrigger) => {
          void control.shutdown(trigger);
          return new Promise<never>(() => {});
        },
      }),
    });
    const { host } = setUp();
    handleSignalsOf(host, stuck, {});
    host.emit('SIGTERM');
    await vi.advanceTimersByTimeAsync(25_999);
    expect(host.ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(host.ends).toEqual([124]);
  });

  it('is set also where the application shuts the service down itself', async () => {
    const { host, service } = setUp();
    service.onShutdown('database', () => Promise.reject(new Error('gone')));
    await service.shutdown();
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([1]);
  });

  it("is the application's own where all went well", async () => {
    const { host, service } = setUp();
    service.onShutdown('verdict', () => {
      host.exitCode = 3;
    });
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([3]);
  });

  it('leaves a moment for the line after the report', async () => {
    const { host, service } = setUp();
    await service.shutdown();
    expect(host.ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(host.ends).toEqual([0]);
  });
});

describe('the end of the process', () => {
  it('is none under exit "none", and signals are nobody\'s again', async () => {
    const { host } = setUp({ exit: 'none' });
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([]);
    expect(host.exitCode).toBeUndefined();
    expect(host.listened).toEqual([]);
  });

  it('is the signal itself under exit "reraise", once nobody listens to it any more', async () => {
    const { host } = setUp({ exit: 'reraise' });
    const kill = vi.spyOn(host, 'kill').mockImplementation((_pid, signal) => {
      host.ends.push(signal, host.listenerCount('SIGTERM'));
    });
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(kill).toHaveBeenCalledTimes(1);
    expect(host.ends).toEqual(['SIGTERM', 0]);
  });

  it('under exit "reraise" is a code where it did not go well', async () => {
    const { host, service } = setUp({ exit: 'reraise' });
    ignored(service);
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual([1]);
  });

  it('is the signal itself on SIGUSR2, for those who restart by it', async () => {
    const { host } = setUp({ signals: ['SIGUSR2'] });
    host.emit('SIGUSR2');
    await vi.runAllTimersAsync();
    expect(host.ends).toEqual(['SIGUSR2']);
  });

  it('in its own time, with an empty event loop, is a shutdown, too', async () => {
    const { host, service, reports } = setUp();
    const close = vi.fn<() => void>();
    service.onShutdown('database', close);
    host.emit('beforeExit', 0);
    await vi.runAllTimersAsync();
    expect(close).toHaveBeenCalledTimes(1);
    expect(reports).toMatchObject([{ cause: 'beforeExit', outcome: 'clean' }]);
  });
});

it('tells with which code the process ends, and what is still open where that is not 0', async () => {
  const heard: unknown[] = [];
  using _listening = subscribe(({ type, data }) => {
    if (type === 'process.exiting') heard.push(data);
  });
  const clean = setUp();
  await clean.service.shutdown();
  const { host, service } = setUp();
  host.open.push('Timeout', 'TCPSocketWrap', 'Timeout');
  ignored(service);
  host.emit('SIGTERM');
  await vi.runAllTimersAsync();
  expect(heard).toEqual([
    { code: 0, open: {} },
    { code: 1, open: { Timeout: 2, TCPSocketWrap: 1 } },
  ]);
});

describe('several services', () => {
  it('have one owner of the signals, and the process ends when the last has stopped, with the worst code', async () => {
    const host = new FakeProcess();
    const [one, two] = [setUp({}, host), setUp({}, host)];
    expect(host.listenerCount('SIGTERM')).toBe(1);
    polite(one.service);
    ignored(two.service);

    host.emit('SIGTERM');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(one.reports).toMatchObject([{ outcome: 'clean' }]);
    expect(host.ends).toEqual([]);

    await vi.runAllTimersAsync();
    expect(two.reports).toMatchObject([{ outcome: 'leaked' }]);
    expect(host.ends).toEqual([1]);
  });

  it('live on when one of them is shut down by itself', async () => {
    const host = new FakeProcess();
    const [one, two] = [setUp({}, host), setUp({}, host)];
    await one.service.shutdown();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(host.ends).toEqual([]);
    host.emit('SIGINT');
    await vi.runAllTimersAsync();
    expect(two.reports).toMatchObject([{ cause: 'SIGINT' }]);
    expect(host.ends).toEqual([0]);
  });

  it('are ended by their own signals', async () => {
    const host = new FakeProcess();
    const [one, two] = [setUp({ signals: ['SIGUSR1'] }, host), setUp({ signals: ['SIGTERM'] }, host)];
    host.emit('SIGUSR1');
    await vi.advanceTimersByTimeAsync(1_000);
    expect([one.service.state, two.service.state]).toEqual(['stopped', 'created']);
    expect(host.ends).toEqual([]);
  });

  it('find the owner of another copy of this package', async () => {
    const host = new FakeProcess();
    setUp({}, host);
    vi.resetModules();
    const copy = await import('../../src/process/handle-signals.ts');
    expect(copy.handleSignalsOf).not.toBe(handleSignalsOf);
    const other = new Service({ name: 'other' });
    copy.handleSignalsOf(host, other, {});
    expect(host.listenerCount('SIGTERM')).toBe(1);
    host.emit('SIGTERM');
    await vi.runAllTimersAsync();
    expect(other.state).toBe('stopped');
    expect(host.ends).toEqual([0]);
  });
});

describe('uncaught errors', () => {
  it("are Node's own business by default", () => {
    expect(setUp().host.listened).not.toContain('uncaughtException');
  });

  it('shut down where they are asked to: printed, reported, exit code 1', async () => {
    const print = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { host, service, reports } = setUp({ onFatal: 'shutdown' });
    polite(service);
    const error = new Error('nobody caught me');
    host.emit('uncaughtException', error, 'unhandledRejection');
    await vi.runAllTimersAsync();
    expect(print).toHaveBeenCalledWith(error);
    expect(reports).toMatchObject([
      {
        cause: 'unhandledRejection',
        outcome: 'failed',
        hooks: [{ name: 'unhandledRejection', outcome: 'failed', error }],
      },
    ]);
    expect(host.ends).toEqual([1]);
  });

  it('during a shutdown cancel, and the next one flushes', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const { host, service, reports } = setUp({ onFatal: 'shutdown' });
    ignored(service);
    host.emit('SIGTERM');
    await vi.advanceTimersByTimeAsync(100);
    host.emit('uncaughtException', new Error('first'), 'uncaughtException');
    await vi.advanceTimersByTimeAsync(100);
    expect(service.signalAt('cancel').aborted).toBe(true);
    expect(reports).toEqual([]);
    host.emit('uncaughtException', new Error('second'), 'uncaughtException');
    await vi.runAllTimersAsync();
    expect(reports[0]?.durationMs).toBeLessThan(1_000);
    expect(host.ends).toEqual([1]);
  });
});

it('errors of observers are warnings of the process for as long as it is owned, and steer nothing', async () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { host, handle, service } = setUp();
  using _broken = subscribe(() => {
    throw new Error('a broken listener');
  });
  await service.start();
  expect(host.warnings).toEqual(['ObserverError: Error: a broken listener']);
  expect(print).not.toHaveBeenCalled();

  handle[Symbol.dispose]();
  service.tasks.spawn(() => {}, { name: 'task' });
  expect(host.warnings).toHaveLength(1);
  expect(print).toHaveBeenCalled();
});

describe('the handle', () => {
  it('leaves the process as it was when it is disposed', async () => {
    const { host, handle } = setUp({ onFatal: 'shutdown' });
    handle[Symbol.dispose]();
    handle[Symbol.dispose]();
    expect(host.listened).toEqual([]);
    expect(Object.getOwnPropertySymbols(host)).not.toContain(Symbol.for('holdfast.signals'));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of one service leaves the others', () => {
    const host = new FakeProcess();
    const [one] = [setUp({}, host), setUp({}, host)];
    one.handle[Symbol.dispose]();
    expect(host.listenerCount('SIGTERM')).toBe(1);
  });

  it('is made without a timer, and checks its options', () => {
    const { service, host } = setUp();
    expect(vi.getTimerCount()).toBe(0);
    const handle = handleSignals as (service: unknown, options?: unknown) => unknown;
    for (const signal of ['SIGKILL', 'SIGSTOP', 'SIGSEGV', 'SIGABRT'])
      expect(() => handle(service, { signals: [signal] })).toThrow(RangeError);
    expect(() => handle(service, { signals: ['TERM'] })).toThrow(TypeError);
    expect(() => handle(service, { signals: 'SIGTERM' })).toThrow(TypeError);
    expect(() => handle(service, { exit: 'now' })).toThrow(RangeError);
    expect(() => handle(service, { onFatal: true })).toThrow(TypeError);
    expect(() => handle(service, { watchdog: 1 })).toThrow(TypeError);
    expect(() => handle(service, { watchdog: { maxBlockMs: 10 } })).toThrow(RangeError);
    expect(() => handle(service, { watchdog: { maxBlock: 1_000 } })).toThrow(TypeError);
    expect(() => handle(service, { secondTerm: 'force' })).toThrow(RangeError);
    expect(() => handle(service, { exits: 1 })).toThrow(TypeError);
    expect(host.ends).toEqual([]);
  });
});
