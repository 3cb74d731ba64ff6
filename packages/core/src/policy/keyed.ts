/**
 * One thing per key, for as many keys as allowed. Beyond that the one goes that was used longest ago, but never one that is busy:
 * where all are, a newcomer is made for its call alone, and counted.
 */

/** Values by key, made when first asked for. */
export class Keyed<V> {
  readonly #maxKeys: number;
  readonly #make: (key: string) => V;
  readonly #idle: (value: V) => boolean;
  /** In order of use, the latest last. */
  readonly #values: Map<string, V> = new Map<string, V>();
  #latest: string | undefined;
  #unregistered = 0;

  constructor(maxKeys: number, make: (key: string) => V, idle: (value: V) => boolean) {
    this.#maxKeys = maxKeys;
    this.#make = make;
    this.#idle = idle;
  }

  /** How many keys are kept. */
  get size(): number {
    return this.#values.size;
  }

  /** How often a value was made that is not kept. */
  get unregistered(): number {
    return this.#unregistered;
  }

  /** Keys and values, the one used longest ago first. */
  entries(): IterableIterator<[string, V]> {
    return this.#values.entries();
  }

  /** The value of `key`. */
  get(key: string): V {
    const known = this.#values.get(key);
    if (known !== undefined && key === this.#latest) return known;
    const value = known ?? this.#make(key);
    if (known === undefined && this.#values.size >= this.#maxKeys && !this.#evict()) {
      this.#unregistered += 1;
      return value;
    }
    this.#values.delete(key);
    this.#values.set(key, value);
    this.#latest = key;
    return value;
  }

  #evict(): boolean {
    for (const [key, value] of this.#values) {
      if (!this.#idle(value)) continue;
      this.#values.delete(key);
      return true;
    }
    return false;
  }
}
