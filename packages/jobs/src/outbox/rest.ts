/** Waits that can be cut short. A wake-up that comes while nobody waits cuts the next wait short, so that none is lost. */

/** The rests of one loop. */
export class Rest {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #go: (() => void) | undefined;
  #pending = false;
  #deaf = false;
  #ended = false;

  /** Resolves after `delayMs`, or when woken. */
  wait(delayMs: number): Promise<void> {
    const woken = this.#pending;
    this.#pending = false;
    return woken ? Promise.resolve() : this.#begin(delayMs);
  }

  /** Resolves after `delayMs`, whoever wakes: the pause of a back-off. */
  pause(delayMs: number): Promise<void> {
    this.#deaf = true;
    return this.#begin(delayMs);
  }

  /** Ends `wait`, or the next one. */
  wake(): void {
    if (this.#go === undefined || this.#deaf) this.#pending = true;
    else this.#end();
  }

  /** There are no rests any more. */
  end(): void {
    this.#ended = true;
    this.#end();
  }

  #begin(delayMs: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#go = resolve;
      this.#timer = setTimeout(() => this.#end(), delayMs);
    });
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#deaf = false;
    this.#go?.();
    this.#go = undefined;
  }
}
