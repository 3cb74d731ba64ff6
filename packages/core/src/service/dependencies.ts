/**
 * Who needs whom, by name. What is needed opens first and closes last; things that do not name each other are free of each other,
 * the later registered going first. Names may point forward to what is registered later; a circle is refused at registration.
 */
import { outOfRange } from '../options/checks.ts';

/** Something with a place in the order. Several may share a name: whoever needs the name needs them all. */
export interface Dependent {
  readonly name: string;
  /** Names of what it needs. */
  readonly dependsOn: readonly string[];
}

/** Finds the names on a way from `from` to `goal` by what is needed; `undefined` where there is none. */
function wayTo(goal: string, from: Dependent, others: readonly Dependent[]): readonly string[] | undefined {
  const seen = new Set<string>();
  const ways: (readonly string[])[] = from.dependsOn.map((name) => [name]);
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    const name = way.at(-1);
    if (name === goal) return way;
    if (name === undefined || seen.has(name)) continue;
    seen.add(name);
    for (const other of others)
      if (other.name === name) for (const next of other.dependsOn) ways.push([...way, next]);
  }
  return undefined;
}

/**
 * Refuses what would close a circle with those already there.
 *
 * @throws RangeError that names the circle.
 */
export function checkAcyclic(added: Dependent, others: readonly Dependent[]): void {
  const circle = wayTo(added.name, added, others);
  if (circle !== undefined)
    throw outOfRange('dependsOn', 'free of circles', [added.name, ...circle].join(' > '));
}

/** All names that `from` needs, directly or not. */
export function needsOf(from: Dependent, others: readonly Dependent[]): ReadonlySet<string> {
  const needs = new Set<string>();
  const open = [...from.dependsOn];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needs.has(name)) continue;
    needs.add(name);
    for (const other of others) if (other.name === name) open.push(...other.dependsOn);
  }
  return needs;
}

/**
 * Runs each of `steps` once everything that needs it is done: independent ones at the same time, started in reverse order.
 * `all` is everything registered, through which steps may depend on each other. `run` must not reject.
 */
export async function runInReverse<D extends Dependent>(
  steps: readonly D[],
  all: readonly Dependent[],
  run: (step: D) => Promise<void>,
): Promise<void> {
  const lastFirst = steps.map((step) => ({ step, needs: needsOf(step, all), waitsFor: 0 })).toReversed();
  for (const { needs } of lastFirst)
    for (const other of lastFirst) if (needs.has(other.step.name)) other.waitsFor += 1;

  const start = async (ready: typeof lastFirst): Promise<void> => {
    await Promise.all(
      ready.map(async ({ step, needs }) => {
        await run(step);
        const freed = lastFirst.filter((other) => needs.has(other.step.name));
        for (const other of freed) other.waitsFor -= 1;
        await start(freed.filter(({ waitsFor }) => waitsFor === 0));
      }),
    );
  };
  await start(lastFirst.filter(({ waitsFor }) => waitsFor === 0));
}
