/** What a shutdown came to. The report is the proof: a hang, a failure or a loss is in it by name, and never looks like success. */
import type { DrainReport, RequestCounts, ShutdownPhase } from '../component.ts';
import { emit, observed } from '../events/bus.ts';
import { now, reportError } from '../runtime.ts';
import type { Awaitable } from '../signal/work-context.ts';
import type { TasksReport } from '../tasks/task-manager.ts';
import type { FinalCounts } from './final-counts.ts';
import type { HookReport } from './hooks.ts';
import { attempt } from './owned.ts';
import { PhaseRun } from './phase-run.ts';

/**
 * How it went. `clean`: everything was finished, or stopped when asked. `failed`: a hook or an error, or accepted items were
 * lost. `leaked`: work ignored its abort. `timed-out`: the budget was used up. `forced`: somebody would not wait.
 */
export type ShutdownOutcome = 'clean' | 'failed' | 'leaked' | 'forced' | 'timed-out';

/** What a shutdown came to. */
export interface ShutdownReport {
  /** What started it. */
  readonly cause: string;
  readonly outcome: ShutdownOutcome;
  readonly durationMs: number;
  /** The phases that were run, in order; those that were jumped over are not here. */
  readonly phases: readonly { readonly phase: ShutdownPhase; readonly durationMs: number }[];
  /** Requests in flight when the intake ended: finished, and cut; and those refused since. */
  readonly requests: RequestCounts;
  /** Background tasks of the service since the shutdown began. */
  readonly tasks: TasksReport;
  /** What each component's drain came to. */
  readonly components: Readonly<Record<string, DrainReport>>;
  /** Every hook; also each component that failed to open, close, drain or dispose, and each fatal error. */
  readonly hooks: readonly HookReport[];
  /** Names of what still ran although it was aborted. */
  readonly leaked: readonly string[];
}

/** Collects while the shutdown goes on. */
export class Findings {
  readonly #service: string;
  readonly #startedAt: number = now();
  readonly #phases: { phase: ShutdownPhase; durationMs: number }[] = [];
  readonly #hooks: HookReport[] = [];
  #failed = false;
  /** Somebody would not wait. */
  forced = false;
  /** The cut came before the end. */
  timedOut = false;

  constructor(service: string) {
    this.#service = service;
  }

  get elapsedMs(): number {
    return now() - this.#startedAt;
  }

  phase(phase: ShutdownPhase, durationMs: number): void {
    this.#phases.push({ phase, durationMs });
  }

  hook(report: HookReport, critical = true): void {
    this.#hooks.push(report);
    if (report.outcome === 'ok') return;
    if (critical) this.#failed = true;
    if (observed()) emit('service.hook-failed', this.#service, { hook: report.name, error: report.error });
  }

  /** Something failed that is no hook. */
  error(name: string, error: unknown): void {
    this.hook({ name, outcome: 'failed', error });
  }

  report(cause: string, { requests, tasks, components, lost, leaked }: FinalCounts): ShutdownReport {
    return {
      cause,
      outcome: this.#outcome(lost, leaked.length > 0),
      durationMs: this.elapsedMs,
      phases: this.#phases,
      requests,
      tasks,
      components,
      hooks: this.#hooks,
      leaked,
    };
  }

  #outcome(lost: boolean, leaked: boolean): ShutdownOutcome {
    if (this.forced) return 'forced';
    if (this.timedOut) return 'timed-out';
    if (this.#failed || lost) return 'failed';
    return leaked ? 'leaked' : 'clean';
  }
}

/** Hands a report over; what the receiver throws changes nothing any more, and it is waited for no longer than `timeoutMs`. */
export async function publish(
  report: ShutdownReport,
  receiver: ((report: ShutdownReport) => Awaitable<void>) | undefined,
  timeoutMs: number,
): Promise<void> {
  if (receiver === undefined) return;
  const run = new PhaseRun('flush', Math.max(timeoutMs, 1), () => {});
  run.add(attempt(() => receiver(report)).catch(reportError));
  await run.done();
  run.end(undefined);
}
