/**
 * Places in line: microseconds since the epoch, made to rise always. They never fall behind what the file holds already, so that a
 * clock that is set back does not put new jobs in front of old ones.
 */

/** Gives places. */
export class Positions {
  #last: number;

  /** `highest` is the highest place that is taken. */
  constructor(highest: number) {
    this.#last = highest;
  }

  /** The next place, behind all given before. */
  next(): number {
    this.#last = Math.max(this.#last + 1, Date.now() * 1_000);
    return this.#last;
  }
}

/** The place of a job that becomes ready at `dueAt`, in milliseconds since the epoch. */
export function positionAt(dueAt: number): number {
  return dueAt * 1_000;
}
