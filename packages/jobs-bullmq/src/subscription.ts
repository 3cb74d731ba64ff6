/**
 * One consumer: asks its worker for a job whenever a slot is free, renews what it holds, and takes the next job from the answer to an
 * outcome. What is fetched after its disposal goes back at once.
 */
import { randomUUID } from 'node:crypto';
import type { JobDelivery, JobSubscribeOptions, WireJob } from '@holdfast/core';
import type { BullJob } from './bull.ts';
import { Delivery, type DeliveryHost } from './delivery.ts';
import type { Death } from './envelope.ts';
import type { HandWorker } from './hand-worker.ts';

/** What a subscription works with. */
export interface SubscriptionHost {
  readonly queue: string;
  readonly worker: HandWorker;
  readonly final: new (message: string) => Error;
  bury(job: WireJob, death: Death): Promise<void>;
  /** It holds nothing and takes nothing any more, and its worker is closed. */
  ended(subscription: Subscription): void;
}

/** How long to wait after an engine did not answer, in milliseconds. */
const RETRY_MS = 500;
/** How long a disposal waits for a fetch under way, in milliseconds. */
const LEAVE_MS = 2_000;

/** A consumer at work. */
export class Subscription implements AsyncDisposable, DeliveryHost {
  readonly queue: string;
  readonly leaseMs: number;
  readonly final: new (message: string) => Error;
  readonly #host: SubscriptionHost;
  readonly #options: JobSubscribeOptions;
  readonly #deliver: (delivery: JobDelivery) => void;
  readonly #held: Set<Delivery> = new Set<Delivery>();
  readonly #tokens: string = randomUUID();
  readonly #fetches: Promise<void>;
  #fetched = 0;
  #renewal: ReturnType<typeof setInterval> | undefined;
  #wake: (() => void) | undefined;
  #disposed = false;
  /** Nothing is fetched any more: a worker that is closed while it fetches never answers. */
  #left = false;
  #closing: Promise<void> | undefined;

  constructor(
    host: SubscriptionHost,
    options: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ) {
    this.#host = host;
    this.#options = options;
    this.#deliver = deliver;
    this.queue = host.queue;
    this.leaseMs = options.leaseMs;
    this.final = host.final;
    this.#fetches = this.#fetchAll();
  }

  get fetching(): boolean {
    return !this.#disposed;
  }

  bury(job: WireJob, death: Death): Promise<void> {
    return this.#host.bury(job, death);
  }

  async settled(delivery: Delivery, answer: unknown): Promise<void> {
    const { worker } = this.#host;
    const next = await worker.fetched(answer, delivery.token).catch(() => undefined);
    // in one turn, so that the slot is not taken twice
    this.#held.delete(delivery);
    if (next !== undefined) await this.#take(next, delivery.token);
    this.#changed();
  }

  /** Takes no more; what is held may still be settled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const { worker } = this.#host;
    // what it would wait for comes to nothing at once when it is closed
    if (worker.answersClosed && this.#held.size === 0) void this.#close();
    else worker.interrupt();
    this.#changed();
    await this.#leave();
    this.#changed();
  }

  /** Lets go of everything: leases run out. */
  async abandon(): Promise<void> {
    this.#disposed = true;
    this.#held.clear();
    this.#changed();
    if (this.#host.worker.answersClosed) void this.#close();
    else this.#host.worker.interrupt();
    await this.#leave();
    await this.#close();
  }

  /** Waits for the fetch under way, and for what it brought to be given back. */
  async #leave(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVE_MS);
    });
    await Promise.race([this.#fetches, late]);
    clearTimeout(timer);
    this.#left = true;
  }

  async #fetchAll(): Promise<void> {
    const { worker } = this.#host;
    while (!this.#disposed) {
      if (this.#held.size >= this.#options.concurrency) {
        await this.#nextChange();
        continue;
      }
      this.#fetched += 1;
      const token = `${this.#tokens}.${this.#fetched}`;
      try {
        const job = await worker.getNextJob(token);
        if (job !== undefined) await this.#take(job, token);
      } catch {
        // the engine is away; whoever enqueues or settles hears why
        await this.#nextChange(RETRY_MS);
      }
    }
  }

  async #take(job: BullJob, token: string): Promise<void> {
    const delivery = new Delivery(this, job, token);
    this.#held.add(delivery);
    if (this.#disposed) {
      await delivery.returnUnseen().catch(() => {});
      return;
    }
    this.#renewal ??= setInterval(() => this.#renew(), this.leaseMs / 3);
    this.#deliver(delivery);
  }

  #renew(): void {
    for (const delivery of this.#held) void delivery.renew();
  }

  #nextChange(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #changed(): void {
    this.#wake?.();
    if (this.#held.size > 0) return;
    clearInterval(this.#renewal);
    this.#renewal = undefined;
    if (this.#left) void this.#close();
  }

  #close(): Promise<void> {
    this.#closing ??= this.#closeWorker();
    return this.#closing;
  }

  async #closeWorker(): Promise<void> {
    await this.#host.worker.close(true).catch(() => {});
    this.#host.ended(this);
  }
}
