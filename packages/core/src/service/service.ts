/**
 * The owner of everything that must not be lost at a deploy: it opens what it owns, lets work in, tells how it is, and shuts all
 * of it down in order, inside one budget. What was accepted is finished or reported; what hangs is named; nothing waits for ever.
 */
import { ADOPT, type Component, type ShutdownPhase, type Stats } from '../component.ts';
import { ShuttingDownError } from '../errors/lifecycle-errors.ts';
import { emit, observed } from '../events/bus.ts';
import { checkName, checkOneOf, checkOptionalFunction, checkOptions } from '../options/checks.ts';
import { executionOf } from '../signal/execution.ts';
import type { Awaitable, Work } from '../signal/work-context.ts';
import { TaskManager, type TaskManagerOptions } from '../tasks/task-manager.ts';
import { CONTROL, type Controllable, type ServiceControl } from './control.ts';
import { ServiceDoor } from './door.ts';
import { askHealth, askStats, type HealthReport, type ServiceState } from './health-report.ts';
import { Hook, type ShutdownContext, type ShutdownHookOptions } from './hooks.ts';
import { Owned, isAdoptable } from './owned.ts';
import { PHASES, planPhases, type PhasePlan, type ShutdownTimes } from './phases.ts';
import { Registry } from './registry.ts';
import type { ShutdownReport } from './report.ts';
import { checkScopeOptions, type OpenScopeOptions, type ScopeHandle } from './request-scope.ts';
import { Scopes } from './scopes.ts';
import { stepOf } from './shutdown-step.ts';
import { Shutdown, type ShutdownTrigger } from './shutdown.ts';
import { StartRun } from './start-run.ts';

/** How a service shuts down. */
export interface ShutdownOptions extends ShutdownTimes {
  /** Receives the report at the very end, for as long as the budget lasts. */
  readonly onReport?: ((report: ShutdownReport) => Awaitable<void>) | undefined;
}

/** How a service is made. */
export interface ServiceOptions {
  /** Names it in events, errors and reports. */
  readonly name: string;
  readonly shutdown?: ShutdownOptions | undefined;
  /** Options of `service.tasks`. */
  readonly tasks?: Omit<TaskManagerOptions, 'name'> | undefined;
}

/**
 * Owns the parts of a process and their life.
 *
 * @example
 * const service = new Service({ name: 'relay', shutdown: { budgetMs: 25_000 } });
 * const deliveries = service.own(new BoundedQueue<Delivery>({ name: 'deliveries', capacity: 1_000 }));
 * service.onShutdown('database', () => db.end());
 * await service.start();
 */
export class Service implements AsyncDisposable, Controllable {
  readonly name: string;
  /** The background tasks of the service; `scope.background` starts its work here. */
  readonly tasks: TaskManager;
  readonly #plan: PhasePlan;
  readonly #onReport: ShutdownOptions['onReport'];
  readonly #registry: Registry = new Registry();
  readonly #door: ServiceDoor;
  readonly #scopes: Scopes;
  #guards: readonly Component[] = [];
  #state: ServiceState = 'created';
  #hasRun = false;
  #start: { readonly run: StartRun; readonly done: Promise<void> } | undefined;
  #shutdown: Shutdown | undefined;

  /** @throws TypeError, RangeError on bad options. */
  constructor(options: ServiceOptions) {
    checkOptions('options', options, ['name', 'shutdown', 'tasks']);
    const { name, shutdown = {}, tasks = {} } = options;
    this.name = checkName('name', name);
    checkOptions('shutdown', shutdown, ['preset', 'budgetMs', 'phases', 'onReport']);
    checkOptionalFunction('shutdown.onReport', shutdown.onReport);
    checkOptions('tasks', tasks, ['maxTasks', 'onError', 'spawnStacks']);
    this.#plan = planPhases(shutdown);
    this.#onReport = shutdown.onReport;
    this.#door = new ServiceDoor(this, name);
    this.tasks = this.own(new TaskManager(tasks));
    this.#scopes = new Scopes(this, this.tasks);
  }

  /** Where it is in its life. */
  get state(): ServiceState {
    return this.#state;
  }

  /** Aborts when the phase begins: `lame-duck` stops producers, `intake` sends streams away, `cancel` stops work. */
  signalAt(phase: ShutdownPhase): AbortSignal {
    return this.#door.signalAt(checkOneOf('phase', phase, PHASES));
  }

  /**
   * Takes `component` under the service's care, by what it has of `open`, `close`, `drain`, `cancel`, `stats`, `health`,
   * `overload` and dispose, and returns it. Owning the same component again changes nothing. `start` opens it; owned after the
   * start it is taken as open, and never opened it is never closed.
   *
   * @throws RangeError on a name that is taken (`tasks` is the service's own) and on circular needs.
   * @throws ShuttingDownError once it could not be disposed of any more.
   */
  own<C extends Component>(component: C, options: ShutdownHookOptions = {}): C {
    const owned = new Owned(component, options);
    if (this.#registry.has(component)) return component;
    if (this.#state !== 'created' && this.#state !== 'starting') owned.opened = true; // by whoever made it
    this.#register(owned);
    if (component.overload !== undefined) this.#guards = [...this.#guards, component];
    if (isAdoptable(component)) component[ADOPT](this.#door);
    return component;
  }

  /** The owned component of that name. */
  get(name: string): Component | undefined {
    return this.#registry.get(name);
  }

  /**
   * Runs `fn` at the shutdown; disposing the handle takes it back. Registered during a shutdown it runs if its phase is not over.
   *
   * @throws TypeError, RangeError on bad options and on circular needs; ShuttingDownError where its phase is over.
   */
  onShutdown(
    name: string,
    fn: Work<unknown, ShutdownContext>,
    options: ShutdownHookOptions = {},
  ): Disposable {
    const hook = new Hook(name, fn, options);
    this.#register(hook);
    return { [Symbol.dispose]: () => this.#registry.remove(hook) };
  }

  /**
   * Opens what is owned, one after another, what is needed first. If one fails, everything is shut down again, the failing part
   * included, and this and every later call rejects with its error.
   *
   * @throws ShuttingDownError where a shutdown came first.
   */
  start(): Promise<void> {
    if (this.#start === undefined) {
      const run = new StartRun(this.#registry, this);
      this.#start = { run, done: this.#open(run) };
    }
    return this.#start.done;
  }

  /**
   * Shuts down, once: every call gives the one promise of the one report, also afterwards. Nothing that goes wrong rejects it.
   *
   * @throws TypeError, RangeError (as rejections) on bad options.
   */
  shutdown(options: { readonly cause?: string | undefined } = {}): Promise<ShutdownReport> {
    try {
      checkOptions('options', options, ['cause']);
      const { cause = 'shutdown' } = options;
      return this.#stop({ cause: checkName('cause', cause) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Asks every component how it is. */
  async health(): Promise<HealthReport> {
    const components = await askHealth(this.#registry.owned);
    const state = this.#state;
    const up = (state === 'running' || state === 'created') && this.#started;
    const ready = up && Object.values(components).every(({ status }) => status !== 'down');
    return { live: state !== 'stopped', started: this.#started, ready, state, components };
  }

  /** Figures of every component, by name. */
  stats(): Promise<Readonly<Record<string, Stats>>> {
    return askStats(this.#registry.owned);
  }

  /**
   * Opens the scope of one inbound piece of work.
   *
   * @throws ShuttingDownError once the intake has ended; OverloadedError where a component sheds load. Work that the service
   * tracks already is not asked for again.
   * @throws TypeError, RangeError on bad options.
   */
  openScope(options: OpenScopeOptions = {}): ScopeHandle {
    checkScopeOptions(options);
    const refusal = this.#door.refusal(options);
    if (refusal !== undefined) {
      this.#scopes.reject();
      throw refusal;
    }
    if (this.#guards.length > 0 && options.shed !== false && !executionOf(options)?.isOwnedBy(this)) {
      for (const guard of this.#guards) {
        const overloaded = guard.overload?.();
        if (overloaded !== undefined) throw overloaded;
      }
    }
    return this.#scopes.open(options);
  }

  /** For the owner of the process. */
  [CONTROL](): ServiceControl {
    return {
      budgetMs: this.#plan.budgetMs,
      plan: this.#plan,
      steps: () => this.#registry.entries.map((entry) => stepOf(entry, this.tasks)),
      started: this.#started,
      scopes: this.#scopes.size,
      shutdown: (trigger) => this.#stop(trigger),
      escalate: () => this.#shutdown?.escalate(),
      force: () => this.#shutdown?.force(),
      fatal: (name, error) => {
        const begun = this.#shutdown;
        if (begun === undefined) return this.#stop({ cause: name, fatal: { name, error } });
        begun.fatal(name, error);
        return begun.report;
      },
    };
  }

  /** Shuts down. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown({ cause: 'dispose' });
  }

  /** Whether it has come to run; a service with nothing to open need not be started for that. */
  get #started(): boolean {
    return this.#hasRun || (this.#state === 'created' && this.#registry.nextToOpen() === undefined);
  }

  #register(entry: Owned | Hook): void {
    this.#registry.add(entry);
    try {
      this.#shutdown?.late(entry);
    } catch (error) {
      this.#registry.remove(entry);
      throw error;
    }
  }

  async #open(run: StartRun): Promise<void> {
    if (this.#shutdown !== undefined) throw new ShuttingDownError(this.name);
    this.#hasRun = this.#started;
    this.#state = 'starting';
    try {
      await run.run();
    } catch (error) {
      if (this.#shutdown === undefined)
        await this.#stop({ cause: 'start failed', fatal: { name: run.failedAt ?? 'start', error } });
      throw error;
    }
    if (this.#shutdown !== undefined) throw new ShuttingDownError(this.name);
    this.#state = 'running';
    this.#hasRun = true;
    if (observed()) emit('service.started', this.name, {});
  }

  #stop(trigger: ShutdownTrigger): Promise<ShutdownReport> {
    if (this.#shutdown !== undefined) return this.#shutdown.report;
    const starting = this.#state === 'starting' ? this.#start?.run : undefined;
    this.#hasRun = this.#started;
    this.#shutdown = new Shutdown(
      {
        service: this,
        name: this.name,
        plan: this.#plan,
        registry: this.#registry,
        door: this.#door,
        scopes: this.#scopes,
        tasks: this.tasks,
        starting,
        onReport: this.#onReport,
        entered: (phase) => {
          this.#state = stateOf(phase);
        },
      },
      trigger,
    );
    void this.#shutdown.run();
    return this.#shutdown.report;
  }
}

function stateOf(phase: ShutdownPhase | 'stopped'): ServiceState {
  if (phase === 'stopped') return 'stopped';
  return phase === 'close' || phase === 'flush' ? 'closing' : 'draining';
}
