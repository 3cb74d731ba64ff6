/**
 * Deliveries: a job queue whose every start makes at most one attempt, and whose back-off is the retry. The store decides what is
 * still to be sent and counts attempts; a refusal that sent nothing (open circuit, full bulkhead) gives the job back and costs
 * none. Each subscriber origin has a policy of its own, so that one that fails or hangs takes nobody else with it. The trap: a job
 * leaves the queue only after the store has its outcome, and is one admission's own, so that no other can be taken for it.
 */
import {
  JobQueue,
  Policy,
  isHoldfastError,
  noRetry,
  retry,
  retryLater,
  type CallOptions,
  type JobContext,
} from '@holdfast/core';
import { engines } from './engines.ts';
import type { RelayConfig } from './environment.ts';
import type { Outcomes } from './outcomes.ts';
import { discard, post, statusError } from './post.ts';
import { INTERRUPTED, type Store } from './store.ts';
import type { Admission, Attempt } from './store.sync.ts';
import { describe, isSubscribersFault, verdictOf } from './verdict.ts';

/** Which event goes where. The payload stays in the store until it is sent. */
export interface Delivery extends Admission {
  readonly url: string;
  /** When it was accepted, in milliseconds since the epoch, where that was by an earlier run. */
  readonly acceptedAt?: number;
}

/** A delivery in the queue, which relays with other stores may look into. */
interface Job extends Delivery {
  readonly store: string;
}

/** What deliveries need of the store. */
export type DeliveryStore = Pick<Store, 'id' | 'begin' | 'end' | 'settled' | 'backlog'>;

/** How many events of earlier runs are queued at a time. */
const RECOVER_AT_ONCE = 100;
/** How long a job of another store is left alone, in milliseconds. */
const FOREIGN_DELAY_MS = 1_000;
const FOREIGN =
  'deliveries: another relay with another RELAY_DATA uses this queue; what it accepted has to wait for it';

/** The queue of deliveries and what empties it. */
export class Deliveries {
  readonly queue: JobQueue<Job>;
  readonly subscribers: Policy;
  readonly #store: DeliveryStore;
  readonly #outcomes: Outcomes;
  readonly #config: RelayConfig;
  #isForeignKnown = false;

  constructor(store: DeliveryStore, outcomes: Outcomes, config: RelayConfig) {
    this.#store = store;
    this.#outcomes = outcomes;
    this.#config = config;
    this.subscribers = new Policy({
      name: 'subscribers',
      attemptTimeoutMs: config.attemptTimeoutMs,
      breaker: { failureIf: isSubscribersFault },
      bulkhead: { maxConcurrent: config.originConcurrency },
    });
    this.queue = new JobQueue<Job>({
      name: 'deliveries',
      url: config.queueUrl,
      engines,
      maxDepth: config.queueCapacity,
      // the store counts attempts, and decides by them; the queue only ever tries again
      retry: {
        maxRetries: Number.POSITIVE_INFINITY,
        baseDelayMs: config.retryBaseMs,
        maxDelayMs: config.retryMaxMs,
      },
    });
  }

  /** Begins to deliver. */
  start(): void {
    const { concurrency, leaseMs } = this.#config;
    this.queue.consume((job, ctx) => this.#take(job, ctx), { concurrency, leaseMs });
  }

  /**
   * Leaves what is not in hand to a queue that keeps it: once `drain` aborts and the attempts under way have ended, whoever waits
   * for an outcome is told that there will be none from here.
   */
  handBack(drain: AbortSignal): void {
    drain.addEventListener('abort', () => {
      void this.queue.drain().then(() => this.#outcomes.end(drain.reason));
    });
  }

  /** Queues a delivery unless it is queued. @throws QueueFullError where there is no room in time. */
  async enqueue(delivery: Delivery, options: CallOptions & { readonly maxWaitMs?: number }): Promise<void> {
    const { id, payload } = this.#job(delivery);
    await this.queue.enqueue(payload, { ...options, id, timeoutMs: Number.POSITIVE_INFINITY });
  }

  /** Queues what earlier runs left, as fast as there is room, and as soon as there is an engine. */
  async recover({ signal, deadline }: CallOptions): Promise<void> {
    const { reach } = this.queue.capabilities;
    const atOnce = reach !== 'process' ? Math.min(RECOVER_AT_ONCE, this.#config.queueCapacity) : 1;
    for await (const page of this.#store.backlog()) {
      for (let from = 0; from < page.length; from += atOnce) {
        const jobs = page.slice(from, from + atOnce).map((entry) => this.#job(entry));
        await retry((ctx) => this.queue.enqueueMany(jobs, { ...ctx, timeoutMs: Number.POSITIVE_INFINITY }), {
          signal,
          deadline,
          maxRetries: Number.POSITIVE_INFINITY,
        });
      }
    }
  }

  /** Figures of the queue and of every subscriber's circuit. */
  async figures(): Promise<Readonly<Record<'queue' | 'breakers', unknown>>> {
    const { depth, capacity, oldestAgeMs = 0, delayP50Ms = 0, delayP99Ms = 0 } = await this.queue.stats();
    return {
      queue: { depth, capacity, oldestAgeMs, delayMs: { p50: delayP50Ms, p99: delayP99Ms } },
      breakers: Object.fromEntries(
        [...this.subscribers.entries()].map(([origin, { breaker }]) => [origin, { state: breaker?.state }]),
      ),
    };
  }

  /** The job of one admission: of its id there is one at a time. */
  #job({ id, admission, url, acceptedAt }: Delivery): { readonly id: string; readonly payload: Job } {
    const payload = { store: this.#store.id, id, admission, url };
    return {
      id: `${id}:${admission}`,
      payload: acceptedAt === undefined ? payload : { ...payload, acceptedAt },
    };
  }

  async #take(job: Job, ctx: JobContext): Promise<void> {
    if (job.store === this.#store.id) return this.#deliver(job, ctx);
    if (!this.#isForeignKnown) console.error(FOREIGN);
    this.#isForeignKnown = true;
    throw retryLater(FOREIGN_DELAY_MS); // its own relay knows what it is about
  }

  async #deliver(delivery: Delivery, ctx: JobContext): Promise<void> {
    const { id, url } = delivery;
    const { origin } = new URL(url);
    const sent: { attempt: Attempt | undefined } = { attempt: undefined };
    try {
      const response = await this.subscribers.for(origin).execute(async (call) => {
        const startedAt = performance.now();
        sent.attempt = await this.#begin(delivery, ctx);
        if (sent.attempt === undefined) return undefined;
        const waitMs = this.#config.attemptTimeoutMs - (performance.now() - startedAt);
        return post(url, { id, payload: sent.attempt.payload, waitMs, signal: call.signal });
      }, ctx);
      if (response === undefined) return await this.#tell(id); // settled before, or refused: nothing is owed
      void discard(response);
      if (verdictOf(response.status) === 'failed') throw noRetry(statusError(url, response));
      if (sent.attempt !== undefined) await this.#settle(id, sent.attempt, 'delivered');
    } catch (error) {
      if (sent.attempt === undefined) throw error; // nothing was sent
      await this.#failed(id, sent.attempt, ctx, error);
    }
  }

  #begin(delivery: Delivery, { enqueuedAt }: JobContext): Promise<Attempt | undefined> {
    const acceptedAt = delivery.acceptedAt ?? enqueuedAt.getTime();
    return this.#store.begin(delivery, Math.max(0, Date.now() - acceptedAt));
  }

  /** What a failed attempt means; always throws, so that the queue does the same. */
  async #failed(id: string, begun: Attempt, ctx: JobContext, error: unknown): Promise<never> {
    const { attempt } = begun;
    if (ctx.signal.aborted) {
      await this.#store.end({ id, attempt, status: 'queued', lastError: INTERRUPTED });
      throw ctx.signal.reason;
    }
    const isLast = isHoldfastError(error, 'NO_RETRY') || attempt >= this.#config.maxAttempts;
    const lastError = describe(isHoldfastError(error, 'NO_RETRY') ? error.cause : error);
    if (!isLast) {
      await this.#store.end({ id, attempt, status: 'queued', lastError });
      throw error;
    }
    await this.#settle(id, begun, 'failed', lastError);
    throw noRetry(error);
  }

  async #settle(
    id: string,
    { attempt }: Attempt,
    status: 'delivered' | 'failed',
    lastError?: string,
  ): Promise<void> {
    const counts = await this.#store.end(
      lastError === undefined ? { id, attempt, status } : { id, attempt, status, lastError },
    );
    if (counts) this.#outcomes.tell(id, { status, lastError });
    else await this.#tell(id);
  }

  /** Tells whoever waits here what others made of the event. */
  async #tell(id: string): Promise<void> {
    for (const { status, lastError } of await this.#store.settled([id]))
      this.#outcomes.tell(id, { status, lastError });
  }
}
