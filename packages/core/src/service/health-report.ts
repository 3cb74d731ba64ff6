/** Asks all components how they are, at the same time and not for long: one that hangs or throws is down, and says why. */
import type { Component, ComponentHealth, Stats } from '../component.ts';
import { call } from '../signal/call.ts';
import type { Awaitable, WorkContext } from '../signal/work-context.ts';
import type { Owned } from './owned.ts';

/** Where a service is in its life. */
export type ServiceState = 'created' | 'starting' | 'running' | 'draining' | 'closing' | 'stopped';

/** Whether a service is alive, and whether it should get work. */
export interface HealthReport {
  /** True until it has stopped. */
  readonly live: boolean;
  /** Whether it has come to run; a shutdown does not take that back. */
  readonly started: boolean;
  /** Whether it runs and no component is down. */
  readonly ready: boolean;
  readonly state: ServiceState;
  /** Those that have an opinion, by name. */
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/** Longest wait for one component, in milliseconds: below the second that a probe waits by default. */
export const LOOK_TIMEOUT_MS = 800;

/** Health of all components that have an opinion. */
export function askHealth(owned: readonly Owned[]): Promise<Record<string, ComponentHealth>> {
  return askAll(
    owned.filter(({ component }) => component.health !== undefined),
    (component, ctx) => component.health?.(ctx),
    (error) => ({ status: 'down', detail: describe(error) }),
  );
}

/** Figures of all components that have some. Where they cannot be had, the figure is `error`. */
export function askStats(owned: readonly Owned[]): Promise<Record<string, Stats>> {
  return askAll(
    owned.filter(({ component }) => component.stats !== undefined),
    (component) => component.stats?.(),
    (error) => ({ error: describe(error) }),
  );
}

async function askAll<T>(
  owned: readonly Owned[],
  ask: (component: Component, ctx: WorkContext) => Awaitable<T | undefined>,
  otherwise: (error: unknown) => T,
): Promise<Record<string, T>> {
  const answers = await Promise.all(
    owned.map(async ({ component, name }): Promise<readonly [string, T]> => {
      try {
        const limits = { timeoutMs: LOOK_TIMEOUT_MS, name };
        const answer = await call((ctx) => ask(component, ctx), limits);
        return [name, answer ?? otherwise(new Error('no answer'))];
      } catch (error) {
        return [name, otherwise(error)];
      }
    }),
  );
  return Object.fromEntries(answers);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
