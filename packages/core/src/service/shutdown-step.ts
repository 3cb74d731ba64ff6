/** What a shutdown would do with one component or hook, without the thing itself: for those who only want to know. */
import type { ShutdownPhase } from '../component.ts';
import type { Dependent } from './dependencies.ts';
import { Hook } from './hooks.ts';
import type { Owned } from './owned.ts';

/** A component or a hook, as far as its shutdown goes. */
export interface ShutdownStep extends Dependent {
  readonly kind: 'component' | 'hook';
  /** The phase in which the hook runs, or the component is disposed of. */
  readonly phase: ShutdownPhase;
  readonly timeoutMs: number;
  readonly critical: boolean;
  /** Whether it has work to finish in the drain phase. */
  readonly drains: boolean;
  /** Whether it is a server, which is cancelled last. */
  readonly serves: boolean;
  /** Whether anything is done in its phase. */
  readonly runs: boolean;
}

/** Describes what is registered; `tasks` is the component that nobody disposes of. */
export function stepOf(entry: Owned | Hook, tasks: object): ShutdownStep {
  const { name, dependsOn, settings } = entry;
  const { phase, timeoutMs, critical } = settings;
  const shared = { name, dependsOn, phase, timeoutMs, critical };
  if (entry instanceof Hook) return { ...shared, kind: 'hook', drains: false, serves: false, runs: true };
  const { component, drains, serves } = entry;
  const runs = component !== tasks && component[Symbol.asyncDispose] !== undefined;
  return { ...shared, kind: 'component', drains, serves, runs };
}
