/** The bounded queue of the replicas without Holdfast: p-queue, with its own way to wait for room and for the end. */
import PQueue from 'p-queue';
import { beforeAccepting, CAPACITY, CONCURRENCY } from './work.ts';

/** Accepted items, and those being processed. */
export class Backlog {
  readonly #queue: PQueue = new PQueue({ concurrency: CONCURRENCY });
  readonly #process: (id: string) => Promise<void>;

  constructor(process: (id: string) => Promise<void>) {
    this.#process = process;
  }

  /** Does the work of a request, and accepts its item. */
  async accept(id: string): Promise<void> {
    await beforeAccepting();
    await this.#queue.onSizeLessThan(CAPACITY);
    void this.#queue.add(() => this.#process(id));
  }

  /** Resolves when all accepted items have been processed. */
  idle(): Promise<void> {
    return this.#queue.onIdle();
  }
}
