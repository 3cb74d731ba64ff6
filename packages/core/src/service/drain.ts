/**
 * Waits until all that a service owns is idle at the same time. What one component finishes may be work for another, so one pass
 * over them is not enough: the next has to find them idle, too.
 */
import type { Complain } from './owned.ts';
import type { PhaseRun } from './phase-run.ts';
import type { Registry } from './registry.ts';
import type { Scopes } from './scopes.ts';

/** What is drained together. */
export interface Drainable {
  readonly registry: Registry;
  readonly scopes: Scopes;
}

/**
 * Resolves with true when all is idle, with false when there is no more to wait for: `run` is over, or what is not idle has said
 * that it will not be. Such a component is not asked again.
 */
export async function drainAll(
  { registry, scopes }: Drainable,
  run: PhaseRun,
  complain: Complain,
): Promise<boolean> {
  for (let pass = 1; pass <= 2 && !run.over; pass += 1) {
    const asked = registry.owned.filter((owned) => owned.drains && !owned.gaveUp);
    const requests = scopes.drain(run.signal).catch(() => {}); // the phase is over
    await Promise.all([requests, ...asked.map((owned) => owned.drain(run, complain))]);
  }
  return !run.over && registry.owned.every((owned) => owned.idle);
}
