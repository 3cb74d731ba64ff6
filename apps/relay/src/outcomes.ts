/** Who waits for which event to be settled (`?wait=delivered`), in this process. Nobody is kept here longer than he waits. */

/** How an event ended. `lastError` is there where it failed. */
export interface Outcome {
  readonly status: 'delivered' | 'failed';
  readonly lastError: string | undefined;
}

/** One who waits. Disposing gives up. */
export interface Waiting extends Disposable {
  readonly settled: Promise<Outcome>;
}

/** The line of those who wait. */
export class Outcomes {
  readonly #waiting = new Map<string, Set<Place>>();

  /** Waits for event `id`, from now on. */
  wait(id: string): Waiting {
    const places = this.#waiting.get(id) ?? new Set<Place>();
    this.#waiting.set(id, places);
    const place = new Place();
    places.add(place);
    return {
      settled: place.settled,
      [Symbol.dispose]: () => {
        places.delete(place);
        if (places.size === 0 && this.#waiting.get(id) === places) this.#waiting.delete(id);
      },
    };
  }

  /** Tells everybody who waits for event `id`. */
  tell(id: string, outcome: Outcome): void {
    for (const place of this.#waiting.get(id) ?? []) place.tell(outcome);
    this.#waiting.delete(id);
  }

  /** How many events are waited for. */
  get size(): number {
    return this.#waiting.size;
  }
}

class Place {
  readonly settled: Promise<Outcome>;
  #resolve: ((outcome: Outcome) => void) | undefined;

  constructor() {
    this.settled = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  tell(outcome: Outcome): void {
    this.#resolve?.(outcome);
  }
}
