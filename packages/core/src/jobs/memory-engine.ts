/**
 * The engine behind `memory:`: queues in this process, each of one JobQueue, for tests and for what a crash may lose. Order,
 * delays, priorities, ids and depth are exact; there are no leases, because nobody else could take a job.
 */
import type { Stats } from '../component.ts';
import type {
  DeadLetterStore,
  EnqueueResult,
  JobAdmission,
  JobCapabilities,
  JobDelivery,
  JobDriver,
  JobEngine,
  JobSubscribeOptions,
  WireJob,
} from './engine.ts';
import { MemoryQueue } from './memory-queue.ts';

const CAPABILITIES: JobCapabilities = {
  reach: 'process',
  delivery: 'at-most-once',
  durability: 'none',
  crashDetection: 'none',
  leaseClock: 'none',
  delayClock: 'host',
  delay: 'native',
  priority: 'native',
  dedupe: { scope: 'while-present', reported: true },
  order: 'fifo-single-consumer',
  backpressure: 'exact',
  pause: 'queue',
  atomicBatch: true,
  counts: ['waiting', 'active', 'delayed', 'dead'],
  maxPayloadBytes: Infinity,
  transactionalEnqueue: false,
};

/** The built-in engine. */
export const memory: JobEngine = {
  schemes: ['memory:'],
  connect: () => new MemoryDriver(),
};

class MemoryDriver implements JobDriver {
  readonly capabilities: JobCapabilities = CAPABILITIES;
  readonly dead: DeadLetterStore = {
    list: async (queue, { limit, cursor }) => this.#queue(queue).dead.list(limit, cursor),
    requeue: async (queue, id, { maxDepth }) => this.#queue(queue).requeue(id, maxDepth),
    remove: async (queue, id) => this.#queue(queue).dead.remove(id),
  };
  readonly #queues: Map<string, MemoryQueue> = new Map<string, MemoryQueue>();

  async open(): Promise<void> {
    // there is nothing to reach
  }

  async enqueue(
    queue: string,
    jobs: readonly WireJob[],
    { maxDepth }: JobAdmission,
  ): Promise<readonly EnqueueResult[]> {
    return this.#queue(queue).enqueue(jobs, maxDepth);
  }

  async consume(
    queue: string,
    { concurrency }: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ): Promise<AsyncDisposable> {
    return this.#queue(queue).subscribe(concurrency, deliver);
  }

  async counts(queue: string): Promise<Stats> {
    return this.#queue(queue).counts();
  }

  async setPaused(queue: string, paused: boolean): Promise<void> {
    this.#queue(queue).setPaused(paused);
  }

  depth(queue: string): number {
    return this.#queue(queue).depth;
  }

  async close(): Promise<void> {
    for (const queue of this.#queues.values()) queue.close();
    this.#queues.clear();
  }

  #queue(name: string): MemoryQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new MemoryQueue(name);
      this.#queues.set(name, queue);
    }
    return queue;
  }
}
