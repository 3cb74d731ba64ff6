/**
 * The start of a service: opens what it owns, one after another, what is needed first. A shutdown aborts it; then nothing more
 * is opened, and what is half open is waited for before anything is closed.
 */
import { call } from '../signal/call.ts';
import { Execution } from '../signal/execution.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import { attempt, type Owned } from './owned.ts';
import type { Registry } from './registry.ts';

/** One attempt to start. */
export class StartRun {
  readonly #registry: Registry;
  readonly #owner: object;
  readonly #abort: LazyAbort = new LazyAbort();
  #ended: (() => void) | undefined;
  readonly #end: Promise<void> = new Promise((resolve) => {
    this.#ended = resolve;
  });
  #opening: Promise<unknown> = Promise.resolve();
  #openingName: string | undefined;
  #failedAt: string | undefined;

  constructor(registry: Registry, owner: object) {
    this.#registry = registry;
    this.#owner = owner;
  }

  /** Who is being opened now. */
  get opening(): string | undefined {
    return this.#openingName;
  }

  /** Who failed to open. */
  get failedAt(): string | undefined {
    return this.#failedAt;
  }

  /** Opens everything. Rejects with the first error, or at once with the reason when aborted. */
  async run(): Promise<void> {
    try {
      this.#registry.checkComplete();
      for (let next = this.#registry.nextToOpen(); next !== undefined; next = this.#registry.nextToOpen()) {
        next.opened = true;
        await this.#open(next);
        if (this.#abort.aborted) throw this.#abort.reason;
      }
    } catch (error) {
      this.#registry.abandonUnopened();
      throw error;
    } finally {
      this.#ended?.();
    }
  }

  /** Opens nothing more, and tells who is being opened. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Resolves when nothing is being opened any more, and nothing will be. */
  async settled(): Promise<void> {
    await this.#end;
    await this.#opening;
  }

  async #open(owned: Owned): Promise<void> {
    const { component, name } = owned;
    this.#openingName = name;
    try {
      await call(
        (ctx) => {
          const opening = attempt(() => component.open?.(ctx));
          const leave = (): void => {
            if (this.#openingName === name) this.#openingName = undefined;
          };
          this.#opening = opening.then(leave, leave);
          return opening;
        },
        { signal: this.#abort.signal, execution: new Execution(undefined, this.#owner) },
      );
    } catch (error) {
      if (!this.#abort.aborted) this.#failedAt = name;
      throw error;
    }
  }
}
