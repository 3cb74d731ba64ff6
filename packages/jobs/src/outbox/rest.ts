/** A pause that can be cut short. A wake-up that comes while nobody rests cuts the next rest short, so that none is lost. */

/** The pauses of one loop. */
export class Rest {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #go: (() => void) | undefined;
  #pending = false;
  #ended = false;

  /** Resolves after `delayMs`, or when woken. */
  wait(delayMs: number): Promise<void> {
    if (this.#ended || this.#pending) {
      this.#pending = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#go = resolve;
      this.#timer = setTimeout(() => this.#end(), delayMs);
    });
  }

  /** Ends the pause, or the next one. */
  wake(): void {
    if (this.#go === undefined) this.#pending = true;
    else this.#end();
  }

  /** There are no pauses any more. */
  end(): void {
    this.#ended = true;
    this.wake();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#go?.();
    this.#go = undefined;
  }
}
