/** Dead letters in memory: the latest 1 000, one per id; older ones make room. */
import { emit, observed } from '../events/bus.ts';
import type { DeadJob, JobFailure, WireJob } from './engine.ts';

const MAX_DEAD = 1_000;

interface Grave {
  readonly job: WireJob;
  readonly letter: DeadJob<string>;
}

/** The jobs of one queue that will not be tried again, oldest death first. */
export class MemoryDeadLetters {
  readonly #queue: string;
  readonly #graves: Map<string, Grave> = new Map<string, Grave>();
  #deaths = 0;

  constructor(queue: string) {
    this.#queue = queue;
  }

  /** How many are kept. */
  get size(): number {
    return this.#graves.size;
  }

  /** Keeps `job`, in place of an earlier one of its id. */
  add(job: WireJob, attempts: number, error: JobFailure): void {
    this.#deaths += 1;
    const letter: DeadJob<string> = {
      id: job.id,
      payload: job.body,
      attempts,
      diedAt: new Date(),
      error,
      cursor: String(this.#deaths),
    };
    this.#graves.delete(job.id);
    this.#graves.set(job.id, { job, letter });
    if (this.#graves.size <= MAX_DEAD) return;
    const oldest = this.#graves.keys().next();
    if (oldest.done !== true) this.#graves.delete(oldest.value);
    if (observed()) emit('queue.dropped', this.#queue, { why: 'dead-letters', count: 1 });
  }

  /** The job of this id, left where it is. */
  get(id: string): WireJob | undefined {
    return this.#graves.get(id)?.job;
  }

  /** Forgets one; false where it is not there. */
  remove(id: string): boolean {
    return this.#graves.delete(id);
  }

  /** Up to `limit` that died after the one whose cursor is given. */
  list(limit: number, cursor: string | undefined): readonly DeadJob<string>[] {
    const after = cursor === undefined ? 0 : Number(cursor);
    const found: DeadJob<string>[] = [];
    for (const { letter } of this.#graves.values()) {
      if (found.length === limit) break;
      if (Number(letter.cursor) > after) found.push(letter);
    }
    return found;
  }

  /** Forgets all. */
  clear(): void {
    this.#graves.clear();
  }
}
