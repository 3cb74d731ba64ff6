/** All that a service owns and all that is to run at its shutdown, in the order of registration, with who needs whom checked. */
import type { Component } from '../component.ts';
import { outOfRange } from '../options/checks.ts';
import { checkAcyclic, needsOf, type Dependent } from './dependencies.ts';
import { checkPhases, type Hook } from './hooks.ts';
import { Owned } from './owned.ts';

/** Components and hooks of one service. */
export class Registry {
  readonly #owned: Map<string, Owned> = new Map<string, Owned>();
  readonly #entries: Set<Owned | Hook> = new Set<Owned | Hook>();
  /** Those of the entries that need something. */
  readonly #needy: Set<Owned | Hook> = new Set<Owned | Hook>();

  /** Everything, in order of registration. */
  get entries(): readonly (Owned | Hook)[] {
    return [...this.#entries];
  }

  /** The components that are in use, in order of registration. */
  get owned(): readonly Owned[] {
    return [...this.#owned.values()].filter((one) => !one.inert);
  }

  get(name: string): Component | undefined {
    return this.#owned.get(name)?.component;
  }

  /** Whether this very component is registered. */
  has(component: Component): boolean {
    return this.#owned.get(component.name)?.component === component;
  }

  /**
   * Adds a component or a hook.
   *
   * @throws RangeError where the name of a component is taken, or where needs form a circle or go against the phases.
   */
  add(entry: Owned | Hook): void {
    if (entry instanceof Owned && this.#owned.has(entry.name))
      throw outOfRange('component.name', 'unique within its service', entry.name);
    if (entry.dependsOn.length > 0) checkAcyclic(entry, this.entries);
    checkPhases(entry, entry.dependsOn.length > 0 ? this.entries : [...this.#needy]);
    this.#entries.add(entry);
    if (entry.dependsOn.length > 0) this.#needy.add(entry);
    if (entry instanceof Owned) this.#owned.set(entry.name, entry);
  }

  remove(entry: Owned | Hook): void {
    this.#entries.delete(entry);
    this.#needy.delete(entry);
    if (entry instanceof Owned) this.#owned.delete(entry.name);
  }

  /**
   * Checks that everything needed is there.
   *
   * @throws RangeError that names who needs what is missing.
   */
  checkComplete(): void {
    const names = new Set([...this.#entries].map((entry) => entry.name));
    for (const { name, dependsOn } of this.#entries)
      for (const needed of dependsOn)
        if (!names.has(needed))
          throw outOfRange(`dependsOn of "${name}"`, 'the name of what is registered', needed);
  }

  /** What has something to open and was not opened has nothing to close: it is left alone from now on. */
  abandonUnopened(): void {
    for (const owned of this.#owned.values()) if (!owned.opened && !owned.adopted) owned.inert = true;
  }

  /** The first component in order of registration that is not opened and needs none that is not. */
  nextToOpen(): Owned | undefined {
    const closed = [...this.#owned.values()].filter((one) => !one.opened);
    const entries: readonly Dependent[] = this.entries;
    return closed.find((one) => {
      const needs = needsOf(one, entries);
      return !closed.some((other) => needs.has(other.name));
    });
  }
}
