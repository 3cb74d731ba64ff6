/**
 * One shutdown, from its trigger to its report: lame duck, intake, drain, cancel, close, flush. It always ends within its budget,
 * whatever hangs; every hook is in the report once; the flush is never jumped over. Phases that are jumped over still begin: their
 * signals abort, servers stop accepting and work is cancelled, only nobody waits.
 */
import type { ShutdownPhase, Stats } from '../component.ts';
import { ShuttingDownError } from '../errors/lifecycle-errors.ts';
import { emit, observed } from '../events/bus.ts';
import { sleep } from '../signal/sleep.ts';
import type { Awaitable } from '../signal/work-context.ts';
import type { TaskManager } from '../tasks/task-manager.ts';
import { runInReverse } from './dependencies.ts';
import type { ServiceDoor } from './door.ts';
import { drainAll } from './drain.ts';
import { finalCounts } from './final-counts.ts';
import { Hook, runHook } from './hooks.ts';
import type { Complain, Owned } from './owned.ts';
import { PhaseRun } from './phase-run.ts';
import { PHASES, phaseTime, type PhasePlan } from './phases.ts';
import type { Registry } from './registry.ts';
import { Findings, publish, type ShutdownReport } from './report.ts';
import type { Scopes } from './scopes.ts';
import type { StartRun } from './start-run.ts';

/** What a shutdown works on. */
export interface ShutdownParts {
  readonly service: object;
  readonly name: string;
  readonly plan: PhasePlan;
  readonly registry: Registry;
  readonly door: ServiceDoor;
  readonly scopes: Scopes;
  readonly tasks: TaskManager;
  /** The start, while it goes on. */
  readonly starting: StartRun | undefined;
  readonly onReport: ((report: ShutdownReport) => Awaitable<void>) | undefined;
  /** Told when a phase begins, and when all is over. */
  entered(phase: ShutdownPhase | 'stopped'): void;
}

/** What started a shutdown. */
export interface ShutdownTrigger {
  readonly cause: string;
  /** The lame duck where the options set none: for how long others may still send work here; `skip` overrules them. @default 'none' */
  readonly lameDuck?: 'none' | 'late-balancer' | 'skip' | undefined;
  /** The error that leaves no choice: no lame duck, and the outcome is `failed`. */
  readonly fatal?: { readonly name: string; readonly error: unknown } | undefined;
}

const INTAKE = PHASES.indexOf('intake');
const CANCEL = PHASES.indexOf('cancel');
const FLUSH = PHASES.indexOf('flush');

/** A shutdown in progress. */
export class Shutdown {
  readonly #parts: ShutdownParts;
  readonly #trigger: ShutdownTrigger;
  readonly #findings: Findings;
  readonly #tasksBefore: Stats;
  readonly #complain: Complain = (name, error) => this.#findings.error(name, error);
  /** Phases before this one are jumped over. */
  #target = 0;
  #current = -1;
  #run: PhaseRun | undefined;
  #carryMs = 0;
  #fatalErrors = 0;
  /** The drain found nothing left. */
  #drained = false;
  #settle: ((report: ShutdownReport) => void) | undefined;
  /** What it comes to; never rejects. */
  readonly report: Promise<ShutdownReport> = new Promise((resolve) => {
    this.#settle = resolve;
  });

  constructor(parts: ShutdownParts, trigger: ShutdownTrigger) {
    this.#parts = parts;
    this.#trigger = trigger;
    this.#findings = new Findings(parts.name);
    this.#tasksBefore = parts.tasks.stats();
    if (trigger.fatal !== undefined) {
      this.#fatalErrors = 1;
      this.#findings.error(trigger.fatal.name, trigger.fatal.error);
    }
  }

  /** Goes through all phases. */
  async run(): Promise<void> {
    const { name, door, onReport, plan, registry, scopes, starting, tasks } = this.#parts;
    if (observed()) emit('service.shutdown', name, { cause: this.#trigger.cause });
    if (starting === undefined) registry.abandonUnopened();
    else starting.abort(door.reason);
    for (const phase of PHASES) {
      this.#current += 1;
      door.begin(phase);
      this.#parts.entered(phase);
      this.#begin(phase);
      if (this.#findings.elapsedMs > (phase === 'flush' ? plan.budgetMs : plan.cutMs)) this.#cut(); // the loop was blocked
      if (this.#current >= this.#target) await this.#wait(phase);
      else this.#skipHooks(phase);
      if (phase === 'cancel') this.#cancelServers();
    }
    const counts = finalCounts({
      owned: registry.owned,
      scopes,
      tasks,
      tasksBefore: this.#tasksBefore,
      opening: starting?.opening,
    });
    const report = this.#findings.report(this.#trigger.cause, counts);
    this.#current += 1;
    this.#parts.entered('stopped');
    if (observed()) emit('service.report', name, { ...report });
    await publish(report, onReport, plan.budgetMs - report.durationMs);
    this.#settle?.(report);
  }

  /** Waits for nothing more, and cancels. */
  escalate(): void {
    if (this.#current < CANCEL) this.#jump(CANCEL);
  }

  /** Goes straight to a short flush. */
  force(): void {
    if (this.#current > FLUSH) return;
    this.#findings.forced = true;
    this.#jump(FLUSH);
  }

  /** Records an error that leaves no choice: the first one cancels, the next one goes straight to the flush. */
  fatal(name: string, error: unknown): void {
    if (this.#current > FLUSH) return;
    this.#fatalErrors += 1;
    this.#findings.error(name, error);
    this.#jump(this.#fatalErrors === 1 ? CANCEL : FLUSH);
  }

  /**
   * Takes in what was registered while the shutdown goes on.
   *
   * @throws ShuttingDownError where its phase is over.
   */
  late(entry: Hook | Owned): void {
    const phase = PHASES.indexOf(entry.settings.phase);
    const run = this.#run;
    const running = run !== undefined && run.phase === PHASES[this.#current];
    if (phase < this.#current || (phase === this.#current && running && run.over))
      throw new ShuttingDownError(this.#parts.name);
    if (!(entry instanceof Hook)) {
      if (this.#current >= INTAKE && !entry.adopted) entry.close(this.#complain);
      if (this.#current >= CANCEL) this.#cancel(entry);
    }
    if (phase === this.#current && running) run.addStep(this.#runStep(entry, run));
  }

  #jump(target: number): void {
    this.#target = Math.max(this.#target, target);
    if (this.#current < target) this.#run?.end(this.#parts.door.reason);
    else if (this.#findings.forced) this.#run?.shorten(this.#parts.plan.reserveMs);
  }

  /** The time is used up, except for the flush. */
  #cut(): void {
    this.#findings.timedOut = true;
    this.#target = FLUSH;
  }

  /** What a phase does at once, whether anybody waits for it or not. */
  #begin(phase: ShutdownPhase): void {
    if (observed()) emit('service.phase', this.#parts.name, { phase });
    const { scopes, door } = this.#parts;
    if (phase === 'intake') {
      scopes.count();
      for (const owned of this.#lastFirst()) if (!owned.adopted) owned.close(this.#complain);
    } else if (phase === 'cancel') {
      scopes.cancel(door.reason);
      for (const owned of this.#lastFirst()) owned.close(this.#complain);
      for (const owned of this.#lastFirst()) if (!owned.serves) this.#cancel(owned);
    }
  }

  async #wait(phase: ShutdownPhase): Promise<void> {
    const { elapsedMs, forced } = this.#findings;
    const { allowedMs, limitMs, isCut } = phaseTime(
      this.#parts.plan,
      phase,
      elapsedMs,
      this.#carryMs,
      forced,
    );
    const run = new PhaseRun(phase, limitMs, () => {
      if (isCut) this.#cut();
    });
    this.#run = run;
    run.addStep(this.#runSteps(run));
    if (phase === 'lame-duck') run.add(this.#lameDuck(run));
    if (phase === 'drain') await this.#finishWork(run);
    if (phase === 'cancel') await this.#stopWork(run);
    if (phase === 'flush' && this.#target === FLUSH) void this.#drain(run); // nobody waited after the cancelling
    await run.done();
    run.end(this.#parts.door.reason);
    await run.stepsSettled(); // each is in the report before the next phase, also what there was no time to begin
    if (phase === 'cancel' || phase === 'flush')
      for (const owned of this.#parts.registry.owned) owned.countLeaked();
    const spentMs = run.elapsedMs;
    this.#findings.phase(phase, spentMs);
    this.#carryMs = this.#target > this.#current ? 0 : Math.max(0, allowedMs - spentMs);
  }

  /**
   * Waits until nothing is left to do. Work that passes the door, of hooks or of what is drained, may be more for somebody who was
   * idle already. Then what was open to tracked work closes, too.
   */
  async #finishWork(run: PhaseRun): Promise<void> {
    const { door, registry } = this.#parts;
    let passed: number;
    do {
      passed = door.passed;
      run.add(this.#drain(run));
      await run.done();
    } while (!run.over && door.passed !== passed);
    if (this.#drained) for (const owned of registry.owned) owned.close(this.#complain);
  }

  async #drain(run: PhaseRun): Promise<void> {
    this.#drained = await drainAll(this.#parts, run, this.#complain);
  }

  /** Waits for what was cancelled. Servers come last, so that requests that were aborted can still be answered. */
  async #stopWork(run: PhaseRun): Promise<void> {
    if (this.#drained) return;
    for (const owned of this.#parts.registry.owned) owned.askAgain();
    run.add(this.#drain(run));
    const cut = setTimeout(() => this.#cancelServers(), run.remainingMs / 2);
    await run.done();
    clearTimeout(cut);
  }

  #cancelServers(): void {
    for (const owned of this.#lastFirst()) if (owned.serves) this.#cancel(owned);
  }

  #cancel(owned: Owned): void {
    if (this.#drained || !owned.drains) return;
    if (owned.idle) void owned.cancelIfBusy(this.#parts.door.reason, this.#complain);
    else owned.cancel(this.#parts.door.reason, this.#complain);
  }

  #lastFirst(): readonly Owned[] {
    return this.#parts.registry.owned.toReversed();
  }

  /** Serves on for a while, so that nobody sends work to a closed door. A start that was interrupted gets its grace instead. */
  async #lameDuck(run: PhaseRun): Promise<void> {
    const { plan, starting } = this.#parts;
    if (starting !== undefined) return this.#awaitStart(run, starting);
    if (this.#trigger.fatal !== undefined || this.#trigger.lameDuck === 'skip') return;
    const durationMs =
      this.#trigger.lameDuck === 'late-balancer' ? plan.lateBalancerMs : plan.caps['lame-duck'];
    if (durationMs > 0) await sleep(durationMs, { signal: run.signal }).catch(() => {});
  }

  async #awaitStart(run: PhaseRun, starting: StartRun): Promise<void> {
    const grace = sleep(this.#parts.plan.startGraceMs, { signal: run.signal });
    await Promise.race([starting.settled(), grace]).catch(() => {});
  }

  async #runSteps(run: PhaseRun): Promise<void> {
    const { entries } = this.#parts.registry;
    const steps = entries.filter((entry) => entry.settings.phase === run.phase);
    await runInReverse(steps, entries, (step) => this.#runStep(step, run));
  }

  async #runStep(step: Hook | Owned, run: PhaseRun): Promise<void> {
    const limits = {
      cause: this.#trigger.cause,
      signal: run.signal,
      remainingMs: run.remainingMs,
      owner: this.#parts.service,
    };
    if (step instanceof Hook) {
      this.#findings.hook(await step.run(limits), step.settings.critical);
      return;
    }
    const { component, name, settings, inert } = step;
    if (inert || component[Symbol.asyncDispose] === undefined) return;
    if (component === this.#parts.tasks) return; // it holds nothing, and its disposal waits for what leaked
    const report = await runHook(name, () => component[Symbol.asyncDispose]?.(), settings.timeoutMs, limits);
    step.countLeaked(); // a server may have been cancelled after the others were looked at
    const expected = report.outcome === 'timed-out' && step.report.leaked.length > 0; // it waits for what leaked
    if (report.outcome !== 'ok') this.#findings.hook(report, settings.critical && !expected);
  }

  /** The hooks of a phase that nobody waits for: there was no time. */
  #skipHooks(phase: ShutdownPhase): void {
    const error = this.#parts.door.reason;
    for (const entry of this.#parts.registry.entries)
      if (entry instanceof Hook && entry.settings.phase === phase)
        this.#findings.hook({ name: entry.name, outcome: 'timed-out', error }, entry.settings.critical);
  }
}
