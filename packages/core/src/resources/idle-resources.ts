/** The resources of a pool that nobody uses: the one used last is lent first, and those that lie idle too long are sent away. */
import { now } from '../runtime.ts';

interface Entry<T> {
  readonly value: T;
  readonly idleSinceMs: number;
}

/** A stack whose oldest entries expire. There is a timer only while something can. */
export class IdleResources<T> {
  readonly #idleMs: number;
  readonly #mayExpire: () => boolean;
  readonly #expire: (value: T) => void;
  /** The one used last at the end. */
  readonly #entries: Entry<T>[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `mayExpire` is asked before each `expire`: whether there are more resources than have to be kept. */
  constructor(idleMs: number, mayExpire: () => boolean, expire: (value: T) => void) {
    this.#idleMs = idleMs;
    this.#mayExpire = mayExpire;
    this.#expire = expire;
  }

  /** How many there are. */
  get size(): number {
    return this.#entries.length;
  }

  push(value: T): void {
    this.#entries.push({ value, idleSinceMs: now() });
    this.#arm();
  }

  /** Takes the one used last, wrapped, since a resource may be anything. */
  pop(): { readonly value: T } | undefined {
    const entry = this.#entries.pop();
    if (this.#entries.length === 0) this.#disarm();
    return entry;
  }

  /** Takes all. */
  clear(): readonly T[] {
    this.#disarm();
    return this.#entries.splice(0).map(({ value }) => value);
  }

  #arm(): void {
    const [oldest] = this.#entries;
    if (this.#timer !== undefined || oldest === undefined || this.#idleMs === Infinity || !this.#mayExpire())
      return;
    this.#timer = setTimeout(() => this.#ring(), Math.max(0, oldest.idleSinceMs + this.#idleMs - now()));
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ring(): void {
    this.#timer = undefined;
    const expiredMs = now() - this.#idleMs;
    for (let [oldest] = this.#entries; oldest !== undefined; [oldest] = this.#entries) {
      if (oldest.idleSinceMs > expiredMs || !this.#mayExpire()) break;
      this.#entries.shift();
      this.#expire(oldest.value);
    }
    this.#arm();
  }
}
