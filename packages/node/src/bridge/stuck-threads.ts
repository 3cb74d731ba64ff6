/** How many threads were told to stop and have not: while there is one, `process.exit` does not return. */

let stuck = 0;

/** A thread was told to stop. */
export function stopping(): void {
  stuck += 1;
}

/** It has stopped. */
export function stopped(): void {
  stuck -= 1;
}

/** How many there are now. */
export function stuckThreads(): number {
  return stuck;
}
