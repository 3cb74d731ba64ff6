/**
 * Who waits for which event to be settled (`?wait=delivered`), in this process. Nobody is kept here longer than he waits. What this
 * process delivers it tells at once; what another may have delivered is looked up from time to time, while somebody waits.
 */

/** How an event ended. `lastError` is there where it failed. */
export interface Outcome {
  readonly status: 'delivered' | 'failed';
  readonly lastError: string | undefined;
}

/** One who waits. Disposing gives up. */
export interface Waiting extends Disposable {
  readonly settled: Promise<Outcome>;
}

/** Finds out how those of the events ended that have. */
export type LookUp = (ids: readonly string[]) => Promise<readonly (Outcome & { readonly id: string })[]>;

const LOOK_UP_EVERY_MS = 100;

/** The line of those who wait. */
export class Outcomes {
  readonly #waiting = new Map<string, Set<Place>>();
  readonly #lookUp: LookUp | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: { readonly reason: unknown } | undefined;

  /** `lookUp` where others deliver too. */
  constructor(lookUp?: LookUp) {
    this.#lookUp = lookUp;
  }

  /** Waits for event `id`, from now on. */
  wait(id: string): Waiting {
    const places = this.#waiting.get(id) ?? new Set<Place>();
    this.#waiting.set(id, places);
    const place = new Place();
    places.add(place);
    if (this.#ended !== undefined) place.end(this.#ended.reason);
    this.#watch();
    return {
      settled: place.settled,
      [Symbol.dispose]: () => {
        places.delete(place);
        if (places.size === 0 && this.#waiting.get(id) === places) this.#waiting.delete(id);
        if (this.size > 0) return;
        clearTimeout(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  /** Tells everybody who waits for event `id`. */
  tell(id: string, outcome: Outcome): void {
    for (const place of this.#waiting.get(id) ?? []) place.tell(outcome);
    this.#waiting.delete(id);
  }

  /** Nobody here will hear of an outcome any more: rejects who waits, and who comes. */
  end(reason: unknown): void {
    this.#ended = { reason };
    for (const places of this.#waiting.values()) for (const place of places) place.end(reason);
  }

  /** How many events are waited for. */
  get size(): number {
    return this.#waiting.size;
  }

  #watch(): void {
    const lookUp = this.#lookUp;
    if (lookUp === undefined || this.#timer !== undefined || this.size === 0) return;
    this.#timer = setTimeout(() => void this.#look(lookUp), LOOK_UP_EVERY_MS);
  }

  async #look(lookUp: LookUp): Promise<void> {
    this.#timer = undefined;
    try {
      for (const { id, ...outcome } of await lookUp([...this.#waiting.keys()])) this.tell(id, outcome);
    } catch {
      // the store's own trouble shows in its health; whoever waits has a deadline
    }
    this.#watch();
  }
}

class Place {
  readonly settled: Promise<Outcome>;
  #resolve: ((outcome: Outcome) => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor() {
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.settled.catch(() => {}); // whoever never asks need not hear of the end
  }

  tell(outcome: Outcome): void {
    this.#resolve?.(outcome);
  }

  end(reason: unknown): void {
    this.#reject?.(reason);
  }
}
