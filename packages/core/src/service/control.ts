/**
 * What the owner of the process may do to a service beyond its public verbs: say that the balancer learns late, escalate, force
 * the flush, record an error that leaves no choice. `@holdfast/node` turns signals into these.
 */
import type { PhasePlan } from './phases.ts';
import type { ShutdownReport } from './report.ts';
import type { ShutdownStep } from './shutdown-step.ts';
import type { ShutdownTrigger } from './shutdown.ts';

/** Handle on the life of a service. */
export interface ServiceControl {
  /** Longest time a shutdown takes, in milliseconds. */
  readonly budgetMs: number;
  /** How its shutdown shares that time. */
  readonly plan: PhasePlan;
  /** What its shutdown has to do with what is registered now. */
  steps(): readonly ShutdownStep[];
  /** Whether it has come to run, or has nothing to open. */
  readonly started: boolean;
  /** How many scopes are open. */
  readonly scopes: number;
  /** Starts the shutdown, as `service.shutdown()` does; once it has begun, resolves with the same report. */
  shutdown(trigger: ShutdownTrigger): Promise<ShutdownReport>;
  /** Waits no longer for what is in flight: goes to the cancel phase. Nothing before a shutdown, nothing from there on. */
  escalate(): void;
  /** Goes to a flush of half a second and to the end; the outcome is `forced`. Nothing before a shutdown. */
  force(): void;
  /**
   * Records an uncaught error, under `name` in the report. It starts a shutdown without a lame duck; during one, the first
   * error goes to the cancel phase and the next to the flush. The outcome is `failed`.
   */
  fatal(name: string, error: unknown): Promise<ShutdownReport>;
}

/** Key of the method that gives the handle. */
export const CONTROL: unique symbol = Symbol.for('holdfast.control');

/** A service, as far as its control goes. */
export interface Controllable {
  [CONTROL](): ServiceControl;
}

/** The handle on `service`. */
export function controlOf(service: Controllable): ServiceControl {
  return service[CONTROL]();
}
