/** Chance that can be repeated: a seed gives the same numbers on every machine. */

/** Numbers from 0 up to 1. */
export type Random = () => number;

/** The numbers that belong to `seed`. */
export function random(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A time from `from` up to `to`. */
export function between(numbers: Random, from: number, to: number): number {
  return from + numbers() * (to - from);
}
