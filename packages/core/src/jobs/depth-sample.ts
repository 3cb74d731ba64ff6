/**
 * The depth of a queue whose engine keeps no bound: counted now and then, and carried on from what this process adds and
 * finishes. Several processes can together go above the bound by what they add between two samples; capabilities say so.
 */
import type { Stats } from '../component.ts';
import { QueueFullError } from '../errors/queue-errors.ts';
import { now } from '../runtime.ts';

/** How old a sample may be while there is room, and while there is none, in milliseconds. */
const FRESH_MS = 250;
const FRESH_WHEN_FULL_MS = 20;

/** A depth known by samples. */
export class DepthSample {
  readonly #queue: string;
  readonly #maxDepth: number;
  readonly #counts: () => Promise<Stats>;
  #depth = 0;
  #at = -Infinity;
  #sampling: Promise<void> | undefined;

  constructor(queue: string, maxDepth: number, counts: () => Promise<Stats>) {
    this.#queue = queue;
    this.#maxDepth = maxDepth;
    this.#counts = counts;
  }

  /**
   * Reserves room for `count` jobs.
   *
   * @throws QueueFullError (as a rejection)
   */
  async reserve(count: number): Promise<void> {
    const full = this.#depth + count > this.#maxDepth;
    if (now() - this.#at > (full ? FRESH_WHEN_FULL_MS : FRESH_MS)) await this.#sample();
    if (this.#depth + count > this.#maxDepth) throw new QueueFullError(this.#queue, this.#maxDepth);
    this.#depth += count;
  }

  /** Room for `count` jobs is free again: they are finished, or were not accepted. */
  free(count: number): void {
    this.#depth = Math.max(0, this.#depth - count);
  }

  #sample(): Promise<void> {
    this.#sampling ??= this.#count().finally(() => {
      this.#sampling = undefined;
    });
    return this.#sampling;
  }

  async #count(): Promise<void> {
    const { depth, waiting, active, delayed } = await this.#counts();
    this.#depth = number(depth ?? number(waiting) + number(active) + number(delayed));
    this.#at = now();
  }
}

function number(value: string | number | boolean | undefined): number {
  return typeof value === 'number' ? value : 0;
}
