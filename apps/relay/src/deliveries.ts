/**
 * Deliveries: a job queue whose every start makes at most one attempt, and whose back-off is the retry. The store decides what is
 * still to be sent and counts attempts; a refusal that sent nothing (open circuit, full bulkhead) gives the job back and costs
 * none. Each subscriber origin has a policy of its own, so that one that fails or hangs takes nobody else with it.
 */
import {
  JobQueue,
  Policy,
  isHoldfastError,
  noRetry,
  sleep,
  type CallOptions,
  type EnqueueOptions,
  type JobContext,
} from '@holdfast/core';
import type { RelayConfig } from './environment.ts';
import type { Outcomes } from './outcomes.ts';
import { discard, post, statusError } from './post.ts';
import { INTERRUPTED, type Store } from './store.ts';
import type { Attempt } from './store.sync.ts';
import { describe, isSubscribersFault, verdictOf } from './verdict.ts';

/** A job: which event goes where. The payload stays in the store until it is sent. */
export interface Delivery {
  readonly id: string;
  readonly url: string;
  /** When it was accepted, in milliseconds since the epoch, where that was by an earlier run. */
  readonly acceptedAt?: number;
}

/** What deliveries need of the store. */
export type DeliveryStore = Pick<Store, 'begin' | 'end' | 'backlog'>;

/** The queue of deliveries and what empties it. */
export class Deliveries {
  readonly queue: JobQueue<Delivery>;
  readonly subscribers: Policy;
  readonly #present = new Set<string>();
  readonly #store: DeliveryStore;
  readonly #outcomes: Outcomes;
  readonly #config: RelayConfig;

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
    this.queue = new JobQueue<Delivery>({
      name: 'deliveries',
      url: config.queueUrl,
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
    this.queue.consume((delivery, ctx) => this.#deliver(delivery, ctx), {
      concurrency: this.#config.concurrency,
    });
  }

  /** Queues a delivery unless it is queued. @throws QueueFullError where there is no room in time. */
  async enqueue(delivery: Delivery, options: CallOptions & { readonly maxWaitMs?: number }): Promise<void> {
    const { id } = delivery;
    if (this.#present.has(id)) return;
    this.#present.add(id);
    try {
      while (!(await this.#isQueued(delivery, { ...options, id, timeoutMs: Number.POSITIVE_INFINITY })))
        await sleep(1, options);
    } catch (error) {
      this.#present.delete(id);
      throw error;
    }
  }

  /** Queues a delivery; false where a job that is over, since it is not present, has still to leave the queue. */
  async #isQueued(delivery: Delivery, options: EnqueueOptions): Promise<boolean> {
    const { status } = await this.queue.enqueue(delivery, options);
    return status !== 'duplicate' || this.queue.capabilities.reach !== 'process';
  }

  /** Queues what earlier runs left, as fast as there is room. */
  async recover(ctx: CallOptions): Promise<void> {
    for await (const { id, url, acceptedAt } of this.#store.backlog())
      await this.enqueue({ id, url, acceptedAt }, ctx);
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
      if (response === undefined) {
        this.#present.delete(id); // settled before, or refused: nothing is owed
        return;
      }
      void discard(response);
      if (verdictOf(response.status) === 'failed') throw noRetry(statusError(url, response));
      await this.#settle(id, 'delivered');
    } catch (error) {
      if (sent.attempt === undefined) throw error; // nothing was sent
      await this.#failed(id, sent.attempt, ctx, error);
    }
  }

  #begin({ id, acceptedAt }: Delivery, { enqueuedAt }: JobContext): Promise<Attempt | undefined> {
    const delayMs = Math.max(0, Date.now() - (acceptedAt ?? enqueuedAt.getTime()));
    return this.#store.begin(id, delayMs);
  }

  /** What a failed attempt means; always throws, so that the queue does the same. */
  async #failed(id: string, { attempt }: Attempt, ctx: JobContext, error: unknown): Promise<never> {
    if (ctx.signal.aborted) {
      await this.#store.end(id, 'queued', INTERRUPTED);
      throw ctx.signal.reason;
    }
    const isLast = isHoldfastError(error, 'NO_RETRY') || attempt >= this.#config.maxAttempts;
    const lastError = describe(isHoldfastError(error, 'NO_RETRY') ? error.cause : error);
    if (!isLast) {
      await this.#store.end(id, 'queued', lastError);
      throw error;
    }
    await this.#settle(id, 'failed', lastError);
    throw noRetry(error);
  }

  async #settle(id: string, status: 'delivered' | 'failed', lastError?: string): Promise<void> {
    await this.#store.end(id, status, lastError);
    this.#present.delete(id);
    this.#outcomes.tell(id, { status, lastError });
  }
}
