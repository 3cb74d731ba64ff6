/** The synchronous work that threads are given: next to nothing, so that the crossing is what is measured. */

/** Twice the number. */
export function double(n: number): number {
  return n * 2;
}

/** What piscina calls. */
export default double;
