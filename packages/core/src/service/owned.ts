/**
 * A component under its service: whether it was opened, what its drain came to, and what still runs when it was cancelled.
 * Its verbs are called at most once each (drain excepted), and nothing they throw or reject with escapes: it is recorded.
 */
import { ADOPT, type Adoptable, type Component, type DrainReport } from '../component.ts';
import { checkName, checkOptions, outOfRange } from '../options/checks.ts';
import type { Awaitable } from '../signal/work-context.ts';
import { TaskManager } from '../tasks/task-manager.ts';
import type { Dependent } from './dependencies.ts';
import { hookSettings, type HookSettings, type ShutdownHookOptions } from './hooks.ts';
import type { PhaseRun } from './phase-run.ts';

/** Whether `component` asks at its service's door, and so closes itself to the outside when the intake ends. */
export function isAdoptable(component: Component): component is Component & Adoptable {
  return ADOPT in component && typeof component[ADOPT] === 'function';
}

/** What a component threw where nobody waits for an answer. */
export type Complain = (name: string, error: unknown) => void;

/** One owned component. */
export class Owned implements Dependent {
  readonly name: string;
  readonly component: Component;
  readonly settings: HookSettings;
  readonly adopted: boolean;
  /** Whether it may be used: it was opened, or has nothing to open. */
  opened: boolean;
  /** Left alone for good: it was never opened, so there is nothing to close. */
  inert = false;
  #closing: Promise<void> | undefined;
  #gaveUp = false;
  #idle = false;
  #left = 0;
  #leaked: readonly string[] = [];
  #cancelled = false;
  #lost = false;

  constructor(component: Component, options: ShutdownHookOptions) {
    checkOptions('component', component);
    this.name = checkName('component.name', component.name);
    this.component = component;
    this.settings = hookSettings(options);
    if (this.settings.phase !== 'close' && this.settings.phase !== 'flush')
      throw outOfRange('phase', 'close or flush for a component', this.settings.phase);
    this.adopted = isAdoptable(component);
    this.opened = component.open === undefined;
  }

  get dependsOn(): readonly string[] {
    return this.settings.dependsOn;
  }

  /** Whether it has work to finish at a shutdown. */
  get drains(): boolean {
    return this.component.drain !== undefined || (!this.adopted && this.component.close !== undefined);
  }

  /** Whether its last drain found it idle. Tracked work may have fed it since. */
  get idle(): boolean {
    return !this.drains || this.#idle;
  }

  /** Whether its connections carry requests, which should be answered before it is cancelled. */
  get serves(): boolean {
    return this.component.requests !== undefined;
  }

  /** Whether it said that it will not become idle by waiting. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** Accepts no more. */
  close(complain: Complain): void {
    if (this.#closing !== undefined) return;
    this.#closing = attempt(() => this.component.close?.()).catch((error: unknown) =>
      complain(this.name, error),
    );
  }

  /** Waits until it is idle or `run` ends; a component that was closed is idle once its close has settled, too. */
  async drain(run: PhaseRun, complain: Complain): Promise<void> {
    if (this.#cancelled && this.#idle) return; // nothing comes to it any more
    this.#idle = false;
    try {
      const [report] = await Promise.all([
        this.component.drain?.(
          this.#cancelled ? { signal: run.signal } : { signal: run.signal, timeoutMs: run.remainingMs },
        ),
        this.#closing,
      ]);
      if (!run.over) this.#take(report);
    } catch (error) {
      if (run.over) return;
      this.#gaveUp = true;
      complain(this.name, error);
    }
  }

  /** Aborts what is running. What is left is counted just before. */
  cancel(reason: unknown, complain: Complain): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#idle = false;
    this.#gaveUp = false;
    void this.#count();
    void this.#stop(reason, complain);
  }

  /** Asks a server once more, which said that it would not become idle by waiting: it is about to be cancelled. */
  askAgain(): void {
    if (this.serves) this.#gaveUp = false;
  }

  /** Cancels one that was found idle and has work again. */
  async cancelIfBusy(reason: unknown, complain: Complain): Promise<void> {
    const report = await attempt(() => this.component.drain?.({ timeoutMs: 0 })).catch(() => undefined);
    if (report?.drained === false) this.cancel(reason, complain);
  }

  /** Names what still runs although it was cancelled: the tasks of a manager, else the component's own word, else its name. */
  countLeaked(): void {
    if (!this.#cancelled || this.#idle || this.#gaveUp || this.#leaked.length > 0) return;
    if (this.component instanceof TaskManager) {
      this.#leaked = this.component.list().map((task) => task.name);
    } else {
      this.#leaked = [this.name];
      void this.#nameLeaked();
    }
  }

  /** What the drain came to. */
  get report(): DrainReport {
    if (!this.#cancelled) return { drained: this.idle, left: 0, leaked: [] };
    return { drained: false, left: this.#left, leaked: this.#leaked };
  }

  /** Whether items that were accepted are lost. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Asks how much there is at this moment; a component that answers later is not waited for. */
  async #count(): Promise<void> {
    try {
      const report = await this.component.drain?.({ timeoutMs: 0 });
      this.#left = report?.left ?? 0;
    } catch {
      // it does not know, and a drain that fails is told elsewhere
    }
  }

  /** Cancels; what has stopped by then is idle, also where nobody is left to wait for it. */
  async #stop(reason: unknown, complain: Complain): Promise<void> {
    try {
      await attempt(() => this.component.cancel?.(reason));
      const report = await this.component.drain?.({ timeoutMs: 0 });
      if (report?.drained === true) this.#idle = true;
    } catch (error) {
      complain(this.name, error);
    }
  }

  async #nameLeaked(): Promise<void> {
    try {
      const report = await this.component.drain?.({ timeoutMs: 0 });
      if (report !== undefined && report.leaked.length > 0) this.#leaked = report.leaked;
    } catch {
      // its own name stands
    }
  }

  #take(report: DrainReport | undefined): void {
    if (report === undefined || report.drained) {
      this.#idle = true;
      return;
    }
    this.#gaveUp = true;
    this.#leaked = report.leaked;
    this.#lost = this.#cancelled && report.left > 0;
  }
}

/** Calls `fn`; what it throws is a rejection. */
export async function attempt<T>(fn: () => Awaitable<T>): Promise<T> {
  return fn();
}
