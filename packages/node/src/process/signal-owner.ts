/**
 * The one owner of a process's signals, however many services and copies of this package there are. It turns signals into
 * shutdowns and outcomes into an exit code. From the first trigger on a timer keeps the process alive and the exit code is that of
 * a time-out, so that a promise which never settles cannot end the process as if all were well.
 */
import type { Service, ShutdownReport } from '@holdfast/core';
import {
  controlOf,
  emit,
  linkAbort,
  now,
  observed,
  reportErrorsTo,
  unlinkAbort,
  type ServiceControl,
} from '@holdfast/core/internal';
import { abandonThreads } from '../bridge/running-threads.ts';
import { TIMED_OUT, exitCode } from './exit-code.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Handler, HostProcess } from './host-process.ts';
import type { ProcessSettings } from './process-options.ts';
import { Watchdog } from './watchdog.ts';

/** The same signal within this time is one signal that came twice. */
const DUPLICATE_MS = 500;
/** How long after its budget a shutdown is ended from outside. */
export const OVERTIME_MS = 1_000;
/** How long the process may go on by itself after the last report. */
const EXIT_GRACE_MS = 100;

/** Key under which the owner stands on its process. Copies of this package find each other's. */
const OWNER = Symbol.for('holdfast.signals');

/** What all copies of this package may rely on. */
export interface SignalOwnership {
  /** Takes a service in; the handle lets it go. */
  add(service: Service, settings: ProcessSettings): Disposable;
  /** Whether it has taken that service in. */
  has(service: Service): boolean;
}

/** The owner of the signals of `host`, made where there is none. */
export function ownerOf(host: HostProcess): SignalOwnership {
  const owner: SignalOwnership | undefined = Reflect.get(host, OWNER);
  if (owner !== undefined) return owner;
  const made = new SignalOwner(host);
  Object.defineProperty(host, OWNER, { value: made, configurable: true });
  return made;
}

/** Whether signals of `host` shut `service` down. */
export function isOwned(host: HostProcess, service: Service): boolean {
  const owner: SignalOwnership | undefined = Reflect.get(host, OWNER);
  return owner?.has(service) ?? false;
}

interface Entry {
  readonly service: Service;
  readonly control: ServiceControl;
  readonly settings: ProcessSettings;
  readonly unlink: () => void;
  begun: boolean;
  /** Calls off what ends the process where the shutdown is late. */
  inTime: (() => void) | undefined;
  readonly heartbeat: Heartbeat | undefined;
  report: ShutdownReport | undefined;
}

class SignalOwner implements SignalOwnership {
  readonly #host: HostProcess;
  readonly #entries: Set<Entry> = new Set<Entry>();
  readonly #handlers: Map<string, Handler> = new Map<string, Handler>();
  readonly #stopReporting: () => void;
  readonly #lastAt: Map<string, number> = new Map<string, number>();
  #presses = 0;
  #signal: string | undefined;
  /** When the last budget ends, on the monotonic clock. */
  #endsAt = 0;
  /** What the application has said of its own exit code. */
  #exitCode: HostProcess['exitCode'];

  constructor(host: HostProcess) {
    this.#host = host;
    this.#stopReporting = reportErrorsTo((error) => warn(host, error));
  }

  add(service: Service, settings: ProcessSettings): Disposable {
    const begins = service.signalAt('lame-duck');
    const listener = { onAbort: (): void => this.#begin(entry) };
    const entry: Entry = {
      service,
      control: controlOf(service),
      settings,
      unlink: () => unlinkAbort(begins, listener),
      begun: false,
      inTime: undefined,
      heartbeat: settings.maxBlockMs === undefined ? undefined : new Heartbeat(settings.maxBlockMs),
      report: undefined,
    };
    this.#entries.add(entry);
    this.#install(settings);
    if (begins.aborted) this.#begin(entry);
    else linkAbort(begins, listener);
    return { [Symbol.dispose]: () => this.#remove(entry) };
  }

  has(service: Service): boolean {
    return [...this.#entries].some((entry) => entry.service === service);
  }

  #remove(entry: Entry): void {
    entry.unlink();
    entry.inTime?.();
    entry.heartbeat?.stop();
    if (!this.#entries.delete(entry)) return;
    if (this.#entries.size === 0) this.#uninstall();
    else this.#finishIfOver();
  }

  #install({ signals, onFatal }: ProcessSettings): void {
    for (const signal of signals) this.#on(signal, () => this.#signalled(signal));
    this.#on('beforeExit', () => this.#trigger('beforeExit'));
    if (this.#host.channel != null) {
      this.#on('message', (message) => {
        if (message === 'shutdown') this.#trigger('message');
      });
    }
    if (onFatal === 'shutdown')
      this.#on('uncaughtException', (error, origin) => this.#fatal(error, String(origin)));
  }

  #on(event: string, handler: Handler): void {
    if (this.#handlers.has(event)) return;
    this.#handlers.set(event, handler);
    this.#host.on(event, handler);
  }

  /** Leaves the process as it was. */
  #uninstall(): void {
    for (const [event, handler] of this.#handlers) this.#host.off(event, handler);
    this.#handlers.clear();
    this.#stopReporting();
    Reflect.deleteProperty(this.#host, OWNER);
  }

  #signalled(signal: string): void {
    const at = now();
    const isDuplicate = at - (this.#lastAt.get(signal) ?? -Infinity) < DUPLICATE_MS;
    if (isDuplicate) return;
    this.#lastAt.set(signal, at);
    const isFirst = this.#trigger(signal, ({ settings }) => settings.signals.some((one) => one === signal));
    if (isFirst) return;
    const hurried = [...this.#entries].filter(({ settings }) => hurries(signal, settings));
    if (hurried.length === 0) return;
    this.#presses += 1;
    this.#signal = signal;
    for (const { control } of hurried) {
      if (this.#presses === 1) control.escalate();
      else control.force();
    }
  }

  /** Starts the shutdowns that have not begun; false where all have. */
  #trigger(cause: string, concerns: (entry: Entry) => boolean = () => true): boolean {
    const waiting = [...this.#entries].filter((entry) => !entry.begun && concerns(entry));
    if (waiting.length > 0) this.#signal ??= cause;
    // a balancer of Kubernetes learns of the end of a pod after the pod does
    const isLate = cause === 'SIGTERM' && this.#host.env['KUBERNETES_SERVICE_HOST'] !== undefined;
    // where the event loop is empty nobody sends anything
    const lameDuck = isLate ? 'late-balancer' : cause === 'beforeExit' ? 'skip' : 'none';
    for (const { control } of waiting) void control.shutdown({ cause, lameDuck });
    return waiting.length > 0;
  }

  #fatal(error: unknown, origin: string): void {
    console.error(error);
    for (const { control, settings } of this.#entries)
      if (settings.onFatal === 'shutdown') void control.fatal(origin, error);
  }

  #begin(entry: Entry): void {
    entry.begun = true;
    const { budgetMs } = entry.control;
    const { exit, watchdog } = entry.settings;
    this.#endsAt = Math.max(this.#endsAt, now() + budgetMs);
    if (exit !== 'none') {
      if (this.#host.exitCode !== TIMED_OUT) this.#exitCode = this.#host.exitCode;
      this.#host.exitCode = TIMED_OUT;
      const deadline = setTimeout(() => this.#exit(TIMED_OUT), budgetMs + OVERTIME_MS);
      const dog = watchdog ? new Watchdog(budgetMs + OVERTIME_MS) : undefined;
      entry.inTime = () => {
        clearTimeout(deadline);
        dog?.callOff();
      };
    }
    void this.#awaitReport(entry);
  }

  async #awaitReport(entry: Entry): Promise<void> {
    entry.report = await entry.control.shutdown({ cause: 'shutdown' });
    entry.inTime?.();
    const others = [...this.#entries].some(({ begun, report }) => begun && report === undefined);
    if (entry.settings.exit !== 'none' && !others) {
      if (this.#host.exitCode !== TIMED_OUT) this.#exitCode = this.#host.exitCode;
      this.#host.exitCode = this.#exitCode;
    }
    this.#finishIfOver();
  }

  #finishIfOver(): void {
    const entries = [...this.#entries];
    if (entries.some(({ report }) => report === undefined)) return;
    const signal = this.#signal ?? '';
    const code = Math.max(
      typeof this.#exitCode === 'number' ? this.#exitCode : 0,
      ...entries.map(({ report }) => exitCode(report?.outcome ?? 'failed', signal)),
    );
    const modes = entries.map(({ settings }) => settings.exit);
    const reraises = modes.includes('reraise') || signal === 'SIGUSR2';
    for (const { heartbeat } of entries) heartbeat?.stop();
    if (observed()) emit('process.exiting', 'process', { code, open: code === 0 ? {} : openIn(this.#host) });
    if (modes.every((mode) => mode === 'none')) {
      this.#uninstall();
    } else if (reraises && code === 0 && signal.startsWith('SIG')) {
      this.#host.exitCode = code;
      this.#uninstall();
      this.#host.kill(this.#host.pid, signal);
    } else {
      this.#host.exitCode = code;
      setTimeout(() => this.#exit(code), EXIT_GRACE_MS).unref();
    }
  }

  /** Ends the process. Node would first wait for threads inside native calls, which nobody can stop, so they get what is left. */
  #exit(code: number): void {
    this.#host.exitCode = code;
    if (abandonThreads() === 0) this.#host.exit(code);
    else if (now() >= this.#endsAt) this.#host.kill(this.#host.pid, 'SIGKILL');
    else setTimeout(() => this.#exit(code), 20);
  }
}

/** Whether a signal that comes once more asks for haste. */
function hurries(signal: string, { secondTerm }: ProcessSettings): boolean {
  return signal === 'SIGINT' || (signal === 'SIGTERM' && secondTerm === 'escalate');
}

/** What the process still has open, by kind. */
function openIn(host: HostProcess): Readonly<Record<string, number>> {
  const open: Record<string, number> = {};
  for (const kind of host.getActiveResourcesInfo?.() ?? []) open[kind] = (open[kind] ?? 0) + 1;
  return open;
}

/** An error of an observer, which steers nothing: a warning of the process. */
function warn(host: HostProcess, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  host.emitWarning(text, { type: 'ObserverError' });
}
