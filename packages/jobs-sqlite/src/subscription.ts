/**
 * One consumer at one database: claims jobs for its free slots, renews their leases, and looks for new ones when it is told to, when
 * a delay or a lease ends, and every tenth of a second for what other processes did.
 */
import {
  LeaseLostError,
  type JobDelivery,
  type JobFailure,
  type JobSubscribeOptions,
  type WireJob,
} from '@holdfast/core';
import type { DeadTable } from './dead-table.ts';
import type { Claim, JobTable } from './job-table.ts';
import { isBusy } from './sqlite-errors.ts';
import type { Writer } from './writer.ts';

/** What a subscription works with. */
export interface SubscriptionHost {
  readonly queue: string;
  readonly writer: Writer;
  readonly jobs: JobTable;
  readonly dead: DeadTable;
  /** It holds nothing and takes nothing any more. */
  ended(subscription: Subscription): void;
}

const MAX_POLL_MS = 100;
const MIN_POLL_MS = 10;

/** A consumer at work. */
export class Subscription implements AsyncDisposable {
  readonly #host: SubscriptionHost;
  readonly #options: JobSubscribeOptions;
  readonly #deliver: (delivery: JobDelivery) => void;
  readonly #pollMs: number;
  readonly #held: Set<Delivery> = new Set<Delivery>();
  #poll: ReturnType<typeof setTimeout> | undefined;
  #renewal: ReturnType<typeof setInterval> | undefined;
  #claiming: Promise<void> | undefined;
  #disposed = false;
  #abandoned = false;

  constructor(
    host: SubscriptionHost,
    options: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ) {
    this.#host = host;
    this.#options = options;
    this.#deliver = deliver;
    const spareMs = options.crashRedeliveryMs - options.leaseMs;
    this.#pollMs = Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, spareMs / 2));
    this.look();
  }

  /** Looks whether there is something to claim. */
  look(): void {
    if (this.#disposed || this.#claiming !== undefined || this.#free === 0) return;
    clearTimeout(this.#poll);
    this.#poll = undefined;
    let waitMs = this.#pollMs;
    try {
      const { paused, ready, dueAt } = this.#host.jobs.peek();
      const dueMs = dueAt - Date.now();
      if (!paused && (ready || dueMs <= 0)) {
        this.#claim();
        return;
      }
      if (!paused) waitMs = Math.min(waitMs, dueMs);
    } catch (error) {
      // another process has it for a moment; if it is worse, the next write will say so
      if (!isBusy(error)) waitMs = MAX_POLL_MS;
    }
    this.#poll = setTimeout(() => this.look(), waitMs);
  }

  /** Takes no more; what is held may still be settled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#poll);
    await this.#claiming;
    this.#endIfDone();
  }

  /** Lets go of everything: leases run out. */
  abandon(): void {
    this.#disposed = true;
    this.#abandoned = true;
    clearTimeout(this.#poll);
    clearInterval(this.#renewal);
    this.#held.clear();
  }

  /** Settles one delivery by `work`, and claims for its slot in the same transaction. */
  async settle<T>(delivery: Delivery, work: () => T): Promise<T> {
    this.#release(delivery);
    const settled = this.#host.writer.run(work);
    if (!this.#disposed && this.#claiming === undefined) this.#claim();
    try {
      return await settled;
    } finally {
      this.#endIfDone();
    }
  }

  get #free(): number {
    return this.#options.concurrency - this.#held.size;
  }

  #claim(): void {
    clearTimeout(this.#poll);
    this.#poll = undefined;
    this.#claiming = this.#claimNow();
  }

  async #claimNow(): Promise<void> {
    const { jobs, writer } = this.#host;
    try {
      const claimed = await writer.run(() =>
        this.#disposed || this.#free === 0 ? [] : jobs.claim(this.#free, this.#options.leaseMs),
      );
      this.#claiming = undefined;
      if (this.#abandoned) return;
      for (const claim of claimed) this.#take(claim);
      this.look();
    } catch {
      // nothing was claimed; whoever enqueues or settles hears why, and here it is tried again
      this.#claiming = undefined;
      if (!this.#disposed) this.#poll = setTimeout(() => this.look(), this.#pollMs);
    }
  }

  #take(claim: Claim): void {
    const delivery = new Delivery(this, this.#host, claim);
    this.#held.add(delivery);
    this.#renewal ??= setInterval(() => void this.#renew(), this.#options.leaseMs / 3);
    this.#deliver(delivery);
  }

  #release(delivery: Delivery): void {
    this.#held.delete(delivery);
    if (this.#held.size > 0) return;
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }

  /** A renewal that cannot be written is tried again at the next third; the lease bears that twice. */
  async #renew(): Promise<void> {
    const { jobs, writer } = this.#host;
    const held = [...this.#held];
    try {
      const kept = await writer.run(() => held.map(({ claim }) => jobs.renew(claim, this.#options.leaseMs)));
      for (const [index, delivery] of held.entries())
        if (kept[index] === false && this.#held.has(delivery)) delivery.lose();
    } catch {
      // see above
    }
  }

  #endIfDone(): void {
    if (this.#disposed && this.#held.size === 0) this.#host.ended(this);
  }
}

class Delivery implements JobDelivery {
  readonly claim: Claim;
  readonly #subscription: Subscription;
  readonly #host: SubscriptionHost;
  readonly #lease: AbortController = new AbortController();
  #settled = false;

  constructor(subscription: Subscription, host: SubscriptionHost, claim: Claim) {
    this.#subscription = subscription;
    this.#host = host;
    this.claim = claim;
  }

  get job(): WireJob {
    return this.claim.job;
  }

  get attempt(): number {
    return this.claim.starts;
  }

  get redelivered(): boolean {
    return this.claim.claims > 1;
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  /** Another worker may have the job. */
  lose(): void {
    this.#lease.abort(new LeaseLostError(this.#host.queue, this.job.id));
  }

  async ack(): Promise<'acked' | 'lease-lost'> {
    const removed = await this.#settle(() => this.#host.jobs.remove(this.claim));
    return removed === true ? 'acked' : 'lease-lost';
  }

  async retry(delayMs: number): Promise<void> {
    await this.#settle(() => this.#host.jobs.again(this.claim, delayMs, true));
  }

  async dead(error: JobFailure): Promise<void> {
    await this.#settle(() => this.#host.dead.bury(this.claim, error));
  }

  async release(delayMs?: number): Promise<void> {
    await this.#settle(() => {
      if (delayMs === undefined) this.#host.jobs.giveBack(this.claim);
      else this.#host.jobs.again(this.claim, delayMs, false);
    });
  }

  /** Only the first outcome counts. */
  async #settle<T>(work: () => T): Promise<T | undefined> {
    if (this.#settled) return undefined;
    this.#settled = true;
    return this.#subscription.settle(this, work);
  }
}
