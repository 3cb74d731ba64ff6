/**
 * A subscriber that fails on a schedule and counts what it got.
 */
export {};
