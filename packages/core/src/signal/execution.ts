/**
 * The record each execution carries: which work was abandoned (it still runs, though nobody waits for it), and who owns it.
 * A limit holds its slot until the result and all abandoned work have settled, which is what makes the limit true.
 * It travels on the context under an own, enumerable symbol, so that it survives `{ ...ctx }`.
 */
import { keepShape } from '../runtime.ts';

export { EXECUTION, executionOf } from './execution-key.ts';

/** One run of guarded work. */
export class Execution {
  readonly #parent: Execution | undefined;
  readonly #owner: object | undefined;
  #abandoned = 0;
  #waiting: (() => void)[] | undefined;

  /** `owner` is the service that tracks this work, where one does; work inside inherits it. */
  constructor(parent: Execution | undefined, owner?: object) {
    this.#parent = parent;
    this.#owner = owner;
  }

  /** How many abandoned calls of this execution still run. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Whether `owner` tracks this work or any work around it. */
  isOwnedBy(owner: object): boolean {
    return this.#owner === owner || (this.#parent?.isOwnedBy(owner) ?? false);
  }

  /** Records that `work` was given up while it still runs: here and in every execution around. Its rejection is handled. */
  abandon(work: PromiseLike<unknown>): void {
    this.#enter();
    const leave = (): void => this.#leave();
    work.then(leave, leave);
  }

  /** Calls back once nothing abandoned runs any more: at once where that is so already. */
  whenSettled(callback: () => void): void {
    if (this.#abandoned === 0) callback();
    else (this.#waiting ??= []).push(callback);
  }

  #enter(): void {
    this.#abandoned += 1;
    if (this.#parent !== undefined) this.#parent.#enter();
  }

  #leave(): void {
    this.#abandoned -= 1;
    if (this.#abandoned === 0 && this.#waiting !== undefined) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      for (const callback of waiting) callback();
    }
    if (this.#parent !== undefined) this.#parent.#leave();
  }
}

keepShape(new Execution(undefined));
