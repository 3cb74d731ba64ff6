/**
 * Speed, as ratios in one run: Holdfast beside its peers on the same work.
 */
export {};
