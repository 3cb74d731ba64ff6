/**
 * A shutdown on paper: the phases, caps, time-outs and order of the real one, on a clock that only counts. Nothing that is
 * registered is called, closed or aborted. What it cannot know is how long things take; unless told, nothing ever ends, and the
 * answer shows that the budget holds all the same, and what it would cost.
 */
import type { ShutdownPhase } from '../component.ts';
import { checkDelayMs, checkOneOf, checkOptions, invalidType } from '../options/checks.ts';
import { controlOf } from './control.ts';
import { needsOf } from './dependencies.ts';
import { PHASES, phaseTime, type PhasePlan } from './phases.ts';
import type { ShutdownOutcome } from './report.ts';
import type { Service } from './service.ts';
import type { ShutdownStep } from './shutdown-step.ts';

/** Something that takes time in a shutdown. */
export interface TimedWork {
  /** The name of the component or hook. */
  readonly name: string;
  /** Finishing what a component has, releasing it, or running a hook. */
  readonly does: 'drain' | 'dispose' | 'hook';
}

/** What is supposed. */
export interface SimulateOptions {
  /** `late-balancer` is SIGTERM on Kubernetes, where the options of the service set no lame duck. @default 'none' */
  readonly lameDuck?: 'none' | 'late-balancer' | undefined;
  /**
   * How long work takes, in milliseconds, of all or of each. Work with an end stops when it is aborted; Infinity never ends, whatever
   * it is told. @default Infinity
   */
  readonly takesMs?: number | ((work: TimedWork) => number) | undefined;
}

/** What became of work in a simulated shutdown. `cancelled`: stopped when asked; `jumped-over`: there was no time to begin. */
export interface SimulatedWork extends TimedWork {
  readonly phase: ShutdownPhase;
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: 'ok' | 'cancelled' | 'timed-out' | 'jumped-over' | 'leaked';
}

/** A shutdown that did not take place. */
export interface SimulatedShutdown {
  readonly outcome: Exclude<ShutdownOutcome, 'forced'>;
  readonly durationMs: number;
  readonly phases: readonly {
    readonly phase: ShutdownPhase;
    readonly startMs: number;
    readonly endMs: number;
  }[];
  /** By phase, in the order in which it ended. */
  readonly works: readonly SimulatedWork[];
  /** The timeline, a line for each phase and for each piece of work. */
  toString(): string;
}

/**
 * Says how a shutdown of `service` would go, with what it owns now.
 *
 * @example
 * console.log(String(simulateShutdown(service, { lameDuck: 'late-balancer' })));
 *
 * @throws TypeError, RangeError on bad options.
 */
export function simulateShutdown(service: Service, options: SimulateOptions = {}): SimulatedShutdown {
  checkOptions('options', options, ['lameDuck', 'takesMs']);
  const { lameDuck = 'none', takesMs = Infinity } = options;
  checkOneOf('lameDuck', lameDuck, ['none', 'late-balancer']);
  if (typeof takesMs !== 'function' && typeof takesMs !== 'number')
    throw invalidType('takesMs', 'a number or a function', takesMs);
  const control = controlOf(service);
  const { plan } = control;
  const durationOf = (work: TimedWork): number =>
    checkDelayMs('takesMs', typeof takesMs === 'number' ? takesMs : takesMs(work), true);
  return new Simulation(plan, control.steps(), durationOf).run(
    lameDuck === 'late-balancer' ? plan.lateBalancerMs : plan.caps['lame-duck'],
  );
}

/** A component that is not idle. */
interface Busy {
  readonly name: string;
  readonly serves: boolean;
  /** How long it still takes. */
  restMs: number;
}

class Simulation {
  readonly #plan: PhasePlan;
  readonly #steps: readonly ShutdownStep[];
  readonly #durationOf: (work: TimedWork) => number;
  readonly #phases: { phase: ShutdownPhase; startMs: number; endMs: number }[] = [];
  readonly #works: SimulatedWork[] = [];
  readonly #leaked: Set<string> = new Set<string>();
  #busy: readonly Busy[];
  #elapsedMs = 0;
  #failed = false;
  #timedOut = false;

  constructor(plan: PhasePlan, steps: readonly ShutdownStep[], durationOf: (work: TimedWork) => number) {
    this.#plan = plan;
    this.#steps = steps;
    this.#durationOf = durationOf;
    this.#busy = steps
      .filter(({ drains }) => drains)
      .map(({ name, serves }) => ({ name, serves, restMs: durationOf({ name, does: 'drain' }) }));
  }

  run(lameDuckMs: number): SimulatedShutdown {
    let carryMs = 0;
    for (const phase of PHASES) {
      if (this.#timedOut && phase !== 'flush') {
        this.#jumpOver(phase);
        continue;
      }
      const { allowedMs, limitMs, isCut } = phaseTime(this.#plan, phase, this.#elapsedMs, carryMs, false);
      const wantedMs = Math.max(
        this.#runSteps(phase, limitMs),
        phase === 'lame-duck' ? lameDuckMs : 0,
        phase === 'drain' ? this.#drain(limitMs) : 0,
        phase === 'cancel' ? this.#cancel(limitMs) : 0,
      );
      if (isCut && wantedMs > 0 && wantedMs >= limitMs) this.#timedOut = true;
      const spentMs = Math.min(wantedMs, limitMs);
      const startMs = this.#elapsedMs;
      this.#elapsedMs += spentMs;
      this.#phases.push({ phase, startMs, endMs: this.#elapsedMs });
      carryMs = this.#timedOut ? 0 : Math.max(0, allowedMs - spentMs);
    }
    const result = {
      outcome: this.#outcome(),
      durationMs: this.#elapsedMs,
      phases: this.#phases,
      works: this.#works,
    };
    return { ...result, toString: () => timeline(result) };
  }

  /** When the steps of a phase are done, counted from its start. What needs another goes before it. */
  #runSteps(phase: ShutdownPhase, limitMs: number): number {
    const steps = this.#steps.filter((step) => step.phase === phase && step.runs);
    const needs = new Map(steps.map((step) => [step, needsOf(step, this.#steps)]));
    const ends = new Map<ShutdownStep, number>();
    /** Those that the end of the phase cut off, and those that waited for them. */
    const cut = new Set<ShutdownStep>();
    const endOf = (step: ShutdownStep): number => {
      const known = ends.get(step);
      if (known !== undefined) return known;
      const before = steps.filter((other) => needs.get(other)?.has(step.name));
      const startMs = Math.max(0, ...before.map(endOf));
      const does = step.kind === 'hook' ? 'hook' : 'dispose';
      const wantsMs = this.#durationOf({ name: step.name, does });
      const mayMs = Math.max(0, Math.min(step.timeoutMs, limitMs - startMs));
      const endMs = startMs + Math.min(wantsMs, mayMs);
      if ((wantsMs > 0 && endMs >= limitMs) || before.some((other) => cut.has(other))) cut.add(step);
      const isOk = wantsMs === 0 ? !cut.has(step) : wantsMs < mayMs;
      ends.set(step, endMs);
      this.#record(step.name, does, phase, startMs, endMs, isOk ? 'ok' : 'timed-out');
      // a component that waits for what leaked has been named
      if (!isOk && step.critical && !this.#leaked.has(step.name)) this.#failed = true;
      return endMs;
    };
    return Math.max(0, ...steps.map(endOf));
  }

  /** When all that drains is idle. */
  #drain(limitMs: number): number {
    const wantedMs = Math.max(0, ...this.#busy.map(({ restMs }) => restMs));
    for (const { name, restMs } of this.#busy)
      if (restMs === 0 || restMs < limitMs) this.#record(name, 'drain', 'drain', 0, restMs, 'ok');
    this.#busy = this.#busy.filter(({ restMs }) => restMs > 0 && restMs >= limitMs);
    for (const one of this.#busy) one.restMs -= limitMs;
    return wantedMs;
  }

  /** When all that was cancelled has stopped; a server is cut when half of the time is over. */
  #cancel(limitMs: number): number {
    const busy = this.#busy;
    this.#busy = [];
    const ends = busy.map(({ name, serves, restMs }) => {
      if (restMs === Infinity) {
        this.#leak(name, limitMs);
        return Infinity;
      }
      const endMs = serves ? Math.min(restMs, limitMs / 2) : 0;
      this.#record(name, 'drain', 'cancel', 0, endMs, 'cancelled');
      return endMs;
    });
    return Math.max(0, ...ends);
  }

  /** A phase that nobody waits for: hooks do not run, and what is busy is told to stop. */
  #jumpOver(phase: ShutdownPhase): void {
    for (const { kind, name, critical, ...step } of this.#steps) {
      if (kind !== 'hook' || step.phase !== phase) continue;
      this.#record(name, 'hook', phase, 0, 0, 'jumped-over');
      if (critical) this.#failed = true;
    }
    if (phase !== 'cancel') return;
    for (const { name, restMs } of this.#busy) {
      if (restMs === Infinity) this.#leak(name, 0);
      else this.#record(name, 'drain', phase, 0, 0, 'cancelled');
    }
    this.#busy = [];
  }

  #leak(name: string, endMs: number): void {
    this.#leaked.add(name);
    this.#record(name, 'drain', 'cancel', 0, endMs, 'leaked');
  }

  #record(
    name: string,
    does: TimedWork['does'],
    phase: ShutdownPhase,
    startMs: number,
    endMs: number,
    outcome: SimulatedWork['outcome'],
  ): void {
    const at = this.#elapsedMs;
    this.#works.push({ name, does, phase, startMs: at + startMs, endMs: at + endMs, outcome });
  }

  #outcome(): SimulatedShutdown['outcome'] {
    if (this.#timedOut) return 'timed-out';
    if (this.#failed) return 'failed';
    return this.#leaked.size > 0 ? 'leaked' : 'clean';
  }
}

function timeline({ phases, works, durationMs, outcome }: Omit<SimulatedShutdown, 'toString'>): string {
  const lines = PHASES.flatMap((phase) => {
    const ran = phases.find((one) => one.phase === phase);
    const inIt = works.filter((work) => work.phase === phase).toSorted((a, b) => a.endMs - b.endMs);
    if (ran === undefined && inIt.length === 0) return [];
    const head = line(ran?.startMs ?? durationMs, ran === undefined ? `${phase}, jumped over` : phase);
    return [
      head,
      ...inIt.map(({ name, does, endMs, outcome: end }) => line(endMs, `  ${does} ${name}: ${end}`)),
    ];
  });
  return [...lines, line(durationMs, outcome)].join('\n');
}

function line(ms: number, text: string): string {
  return `${String(Math.round(ms)).padStart(7)} ms  ${text}`;
}
