/**
 * One queue in memory. Ready jobs come out by priority, then in the order in which they became ready; a job given back returns to
 * its old place. Deliveries are made from a microtask, never inside the call that made them possible.
 */
import type { Stats } from '../component.ts';
import { QueueFullError } from '../errors/queue-errors.ts';
import { MAX_TIMER_MS } from '../options/checks.ts';
import { now } from '../runtime.ts';
import type { EnqueueResult, JobDelivery, JobFailure, JobPriority, WireJob } from './engine.ts';
import { Heap } from './heap.ts';
import { MemoryDeadLetters } from './memory-dead-letters.ts';

const RANKS: Readonly<Record<JobPriority, number>> = { high: 0, normal: 1, low: 2 };

/** A job that is present. */
interface Entry {
  readonly job: WireJob;
  readonly rank: number;
  /** When it was accepted, on the monotonic clock. */
  readonly since: number;
  state: 'ready' | 'delayed' | 'active';
  /** Ready: who became ready first. Delayed: who was delayed first. */
  position: number;
  /** When a delay ends, on the monotonic clock. */
  dueAt: number;
  starts: number;
  delivered: boolean;
}

interface Worker {
  readonly deliver: (delivery: JobDelivery) => void;
  free: number;
}

/** The jobs of one queue, and who works on them. */
export class MemoryQueue {
  readonly dead: MemoryDeadLetters;
  readonly #name: string;
  readonly #present: Map<string, Entry> = new Map<string, Entry>();
  readonly #ready: Heap<Entry> = new Heap<Entry>((a, b) =>
    a.rank === b.rank ? a.position < b.position : a.rank < b.rank,
  );
  readonly #delayed: Heap<Entry> = new Heap<Entry>((a, b) =>
    a.dueAt === b.dueAt ? a.position < b.position : a.dueAt < b.dueAt,
  );
  #workers: readonly Worker[] = [];
  #positions = 0;
  #paused = false;
  #pumping = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string) {
    this.#name = name;
    this.dead = new MemoryDeadLetters(name);
  }

  /** How many jobs are present: ready, delayed and active. */
  get depth(): number {
    return this.#present.size;
  }

  /** Accepts all of `jobs` or none. */
  enqueue(jobs: readonly WireJob[], maxDepth: number): readonly EnqueueResult[] {
    const fresh = new Set<string>();
    for (const { id } of jobs) if (!this.#present.has(id)) fresh.add(id);
    if (fresh.size > 0 && this.depth + fresh.size > maxDepth) throw new QueueFullError(this.#name, maxDepth);
    return jobs.map((job): EnqueueResult => {
      if (this.#present.has(job.id)) return { status: 'duplicate', id: job.id };
      this.#admit(job);
      return { status: 'enqueued', id: job.id };
    });
  }

  /** Delivers up to `concurrency` unsettled jobs at once, until disposed. */
  subscribe(concurrency: number, deliver: (delivery: JobDelivery) => void): AsyncDisposable {
    const worker: Worker = { deliver, free: concurrency };
    this.#workers = [...this.#workers, worker];
    this.#pumpSoon();
    return {
      [Symbol.asyncDispose]: async (): Promise<void> => {
        this.#workers = this.#workers.filter((one) => one !== worker);
      },
    };
  }

  /** While paused nothing is delivered. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#pumpSoon();
  }

  /** Makes a dead letter wait again, as new; false where there is none, or its id is present. */
  requeue(id: string, maxDepth: number): boolean {
    const job = this.dead.get(id);
    if (job === undefined || this.#present.has(id)) return false;
    if (this.depth >= maxDepth) throw new QueueFullError(this.#name, maxDepth);
    this.dead.remove(id);
    this.#admit({ ...job, delayMs: 0, enqueuedAt: Date.now() });
    return true;
  }

  counts(): Stats {
    const waiting = this.#ready.size;
    const delayed = this.#delayed.size;
    return {
      waiting,
      active: this.depth - waiting - delayed,
      delayed,
      dead: this.dead.size,
      paused: this.#paused,
      oldestAgeMs: this.#oldestAgeMs(),
    };
  }

  /** Forgets everything and delivers nothing more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#workers = [];
    this.#ready.clear();
    this.#delayed.clear();
    this.#present.clear();
    this.dead.clear();
  }

  /** The job is done. */
  finish(entry: Entry): void {
    this.#present.delete(entry.job.id);
  }

  /** The job failed for good. */
  bury(entry: Entry, error: JobFailure): void {
    const { job, starts } = entry;
    if (this.#present.delete(job.id)) this.dead.add(job, Math.min(starts, job.maxRetries + 1), error);
  }

  /** The job becomes ready after `delayMs`, behind what is ready by then. */
  again(entry: Entry, delayMs: number): void {
    if (!this.#present.has(entry.job.id)) return;
    if (delayMs > 0) this.#delay(entry, delayMs);
    else this.#append(entry);
  }

  /** The job waits where it waited before. */
  giveBack(entry: Entry): void {
    if (!this.#present.has(entry.job.id)) return;
    entry.state = 'ready';
    this.#ready.push(entry);
  }

  /** One delivery of `worker` was settled. */
  free(worker: Worker): void {
    worker.free += 1;
    this.#pumpSoon();
  }

  #admit(job: WireJob): void {
    const entry: Entry = {
      job,
      rank: RANKS[job.priority],
      since: now(),
      state: 'ready',
      position: 0,
      dueAt: 0,
      starts: 0,
      delivered: false,
    };
    this.#present.set(job.id, entry);
    this.again(entry, job.delayMs);
  }

  #append(entry: Entry): void {
    this.#positions += 1;
    entry.position = this.#positions;
    entry.state = 'ready';
    this.#ready.push(entry);
    this.#pumpSoon();
  }

  #delay(entry: Entry, delayMs: number): void {
    this.#positions += 1;
    entry.position = this.#positions;
    entry.state = 'delayed';
    entry.dueAt = now() + delayMs;
    this.#delayed.push(entry);
    if (this.#delayed.first === entry) this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.#delayed.first;
    if (next === undefined) return;
    const delayMs = Math.min(Math.max(Math.ceil(next.dueAt - now()), 1), MAX_TIMER_MS);
    this.#timer = setTimeout(() => this.#promote(), delayMs);
  }

  #promote(): void {
    const at = now();
    for (let next = this.#delayed.first; next !== undefined && next.dueAt <= at; next = this.#delayed.first) {
      this.#delayed.shift();
      this.#append(next);
    }
    this.#arm();
  }

  #pumpSoon(): void {
    if (this.#pumping || this.#ready.size === 0 || this.#workers.length === 0) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Takes all first and delivers then: one who gives a job back at once must not get it again within this loop. */
  #pump(): void {
    const taken: { readonly worker: Worker; readonly delivery: JobDelivery }[] = [];
    while (!this.#paused && this.#ready.size > 0) {
      const worker = this.#freest();
      const entry = worker === undefined ? undefined : this.#ready.shift();
      if (worker === undefined || entry === undefined) break;
      const redelivered = entry.delivered;
      entry.starts += 1;
      entry.delivered = true;
      entry.state = 'active';
      worker.free -= 1;
      taken.push({ worker, delivery: new MemoryDelivery(this, worker, entry, redelivered) });
    }
    for (const { worker, delivery } of taken) worker.deliver(delivery);
  }

  /** Whoever has the most room: one consumer does not take all while another idles. */
  #freest(): Worker | undefined {
    let found: Worker | undefined;
    for (const worker of this.#workers) if (worker.free > (found?.free ?? 0)) found = worker;
    return found;
  }

  #oldestAgeMs(): number {
    if (this.#ready.size === 0) return 0;
    for (const { state, since } of this.#present.values()) if (state === 'ready') return now() - since;
    return 0;
  }
}

class MemoryDelivery implements JobDelivery {
  readonly job: WireJob;
  readonly attempt: number;
  readonly redelivered: boolean;
  readonly #queue: MemoryQueue;
  readonly #worker: Worker;
  readonly #entry: Entry;
  #settled = false;

  constructor(queue: MemoryQueue, worker: Worker, entry: Entry, redelivered: boolean) {
    this.job = entry.job;
    this.attempt = entry.starts;
    this.redelivered = redelivered;
    this.#queue = queue;
    this.#worker = worker;
    this.#entry = entry;
  }

  async ack(): Promise<'acked' | 'lease-lost'> {
    if (!this.#settle()) return 'lease-lost';
    this.#queue.finish(this.#entry);
    this.#queue.free(this.#worker);
    return 'acked';
  }

  async retry(delayMs: number): Promise<void> {
    if (!this.#settle()) return;
    this.#queue.again(this.#entry, delayMs);
    this.#queue.free(this.#worker);
  }

  async dead(error: JobFailure): Promise<void> {
    if (!this.#settle()) return;
    this.#queue.bury(this.#entry, error);
    this.#queue.free(this.#worker);
  }

  async release(delayMs?: number): Promise<void> {
    if (!this.#settle()) return;
    this.#entry.starts -= 1;
    if (delayMs === undefined) this.#queue.giveBack(this.#entry);
    else this.#queue.again(this.#entry, delayMs);
    this.#queue.free(this.#worker);
  }

  /** Only the first outcome counts. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    return true;
  }
}
