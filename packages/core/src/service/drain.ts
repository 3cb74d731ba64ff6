/**
 * Waits until a whole service is idle. What one component finishes may be work for another, so idle means: one pass found all of
 * them idle, and so did the next, and no tracked work passed the door meanwhile.
 */
import type { ServiceDoor } from './door.ts';
import type { Complain } from './owned.ts';
import type { PhaseRun } from './phase-run.ts';
import type { Registry } from './registry.ts';
import type { Scopes } from './scopes.ts';

/** What is drained together. */
export interface Drainable {
  readonly registry: Registry;
  readonly door: ServiceDoor;
  readonly scopes: Scopes;
}

/**
 * Resolves when all is idle, with true, or when there is no more to wait for. A component that says it will not become idle is not
 * asked again.
 */
export async function drainAll(
  { registry, door, scopes }: Drainable,
  run: PhaseRun,
  complain: Complain,
): Promise<boolean> {
  for (let quiet = 0; quiet < 2 && !run.over;) {
    const before = door.passed;
    const asked = registry.owned.filter((owned) => owned.drains && !owned.gaveUp);
    const requests = scopes.drain(run.signal).catch(() => {}); // the phase is over
    await Promise.all([requests, ...asked.map((owned) => owned.drain(run, complain))]);
    quiet = door.passed === before ? quiet + 1 : 0;
  }
  return !run.over && registry.owned.every((owned) => owned.idle);
}
