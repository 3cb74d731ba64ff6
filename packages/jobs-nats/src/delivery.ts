/**
 * One job in the hands of this worker. NATS takes an outcome from whoever sends it, so a worker judges by its own steady clock whether
 * its lease still holds, from before the last renewal that the server confirmed, and sends nothing when it may not.
 */
import { LeaseLostError, type JobDelivery, type JobFailure, type WireJob } from '@holdfast/core';
import { now } from '@holdfast/core/internal';
import type { DeadStream } from './dead-stream.ts';
import type { Link } from './link.ts';
import { isUnanswered, isUnheard, translate } from './nats-errors.ts';
import type { StartLedger, Starts } from './start-ledger.ts';

/** What all deliveries of one subscription share. */
export interface DeliveryHost {
  readonly queue: string;
  readonly link: Link;
  readonly dead: DeadStream;
  readonly ledger: StartLedger;
  readonly leaseMs: number;
  /** Whether the lease is shorter than the one that the server gives. */
  readonly leaseIsShorter: boolean;
  /** The delivery holds no slot any more. */
  freed(delivery: Delivery): void;
}

/** One delivery, as the server tells it. */
export interface Arrival {
  readonly job: WireJob;
  readonly seq: number;
  readonly deliveries: number;
  readonly ackSubject: string;
  readonly arrivedAt: number;
}

/** The part of a lease that is used, so that an outcome arrives within it. */
const USED = 0.9;
/** How long to wait for an answer before asking again, in milliseconds. */
const ANSWER_MS = 2_000;
const NANOS = 1_000_000;

/** A delivery until its outcome is told. */
export class Delivery implements JobDelivery {
  readonly job: WireJob;
  readonly seq: number;
  readonly #arrival: Arrival;
  readonly #host: DeliveryHost;
  readonly #lease: AbortController = new AbortController();
  /** What the ledger has. */
  #known: Starts | undefined;
  #renewedAt: number;
  #settled = false;

  constructor(host: DeliveryHost, arrival: Arrival) {
    this.#host = host;
    this.#arrival = arrival;
    this.job = arrival.job;
    this.seq = arrival.seq;
    this.#renewedAt = arrival.arrivedAt;
  }

  get attempt(): number {
    const { deliveries } = this.#arrival;
    if (this.#known === undefined) return deliveries;
    // a server that was killed may have forgotten deliveries
    return Math.max(1, this.#known.starts + deliveries - this.#known.deliveries);
  }

  get redelivered(): boolean {
    const { deliveries } = this.#arrival;
    return this.#known === undefined
      ? deliveries > 1
      : this.#known.delivered || deliveries - this.#known.deliveries > 1;
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  /** Whether another worker may have the job. */
  get lapsed(): boolean {
    return now() - this.#renewedAt >= this.#host.leaseMs * USED;
  }

  /** Learns which deliveries were no starts; false where that cannot be learnt while the lease lasts. */
  async learn(): Promise<boolean> {
    const { ledger } = this.#host;
    return this.#persist(async () => {
      this.#known = await ledger.find(this.seq);
    });
  }

  /** Makes the lease last from now on, or finds that it is lost. */
  async renew(): Promise<void> {
    if (this.#settled) return;
    if (this.lapsed) {
      this.lose();
      return;
    }
    const { leaseMs, leaseIsShorter } = this.#host;
    const askedAt = now();
    // a delivery that is given back for later stays ours until then, and may still be acknowledged
    const progress = leaseIsShorter ? notBefore(leaseMs) : '+WPI';
    await this.#request(progress, leaseMs / 3);
    this.#renewedAt = askedAt;
  }

  lose(): void {
    if (!this.#settled) this.#lease.abort(new LeaseLostError(this.#host.queue, this.job.id));
  }

  async ack(): Promise<'acked' | 'lease-lost'> {
    const acked = await this.#settle(() => this.#finish());
    return acked ? 'acked' : 'lease-lost';
  }

  async retry(delayMs: number): Promise<void> {
    await this.#settle(() => this.#giveBack(delayMs));
  }

  async dead(error: JobFailure): Promise<void> {
    const { dead } = this.#host;
    const attempts = Math.min(this.attempt, this.job.maxRetries + 1);
    await this.#settle(async () => {
      const buried = await this.#persist(() => dead.bury(this.job, { attempts, diedAt: Date.now(), error }));
      return buried && this.#finish();
    });
  }

  async release(delayMs?: number): Promise<void> {
    await this.#settle(async () => (await this.uncount(true)) && this.#giveBack(delayMs ?? 0));
  }

  /** The delay has not ended: gives the job back for the rest of it. */
  async postpone(delayMs: number): Promise<void> {
    await this.#settle(async () => (await this.uncount(this.redelivered)) && this.#giveBack(delayMs));
  }

  /** This delivery is no start; `delivered` is whether it, or one before, was a delivery to anybody. */
  async uncount(delivered: boolean): Promise<boolean> {
    const { deliveries } = this.#arrival;
    const known: Starts = { deliveries, starts: this.attempt - 1, delivered };
    return this.#persist(async () => {
      await this.#host.ledger.keep(this.seq, known);
      this.#known = known;
    });
  }

  /** Only the first outcome counts; false where it is not told, because the lease is lost. */
  async #settle(tell: () => Promise<boolean>): Promise<boolean> {
    if (this.#settled) return false;
    this.#settled = true;
    this.#host.freed(this);
    try {
      return !this.lapsed && (await tell());
    } catch (error) {
      throw translate(error);
    }
  }

  async #finish(): Promise<boolean> {
    const done = await this.#persist(() => this.#request('+ACK', ANSWER_MS));
    // what stays behind when this fails is small, and is never looked at again
    if (done && this.#known !== undefined) this.#host.ledger.forget(this.seq).catch(() => {});
    return done;
  }

  #giveBack(delayMs: number): Promise<boolean> {
    return this.#persist(() => this.#request(delayMs > 0 ? notBefore(delayMs) : '-NAK', ANSWER_MS));
  }

  async #request(payload: string, timeoutMs: number): Promise<void> {
    const { link } = this.#host;
    const timeout = Math.max(1, timeoutMs);
    await link.ask(() => link.client.connection.request(this.#arrival.ackSubject, payload, { timeout }));
  }

  /** Does what may be done twice until it is answered; false once the lease is lost. */
  async #persist(work: () => Promise<void>): Promise<boolean> {
    const { link, leaseMs } = this.#host;
    while (!this.lapsed) {
      try {
        await work();
        return true;
      } catch (error) {
        if (link.closed || (link.up && !isUnanswered(error) && !isUnheard(error))) throw error;
        // at once where the connection is up again already
        if (isUnheard(error)) await new Promise((resolve) => setTimeout(resolve, leaseMs / 20));
      }
      await link.whenUp(undefined, leaseMs).catch(() => {});
    }
    return false;
  }
}

function notBefore(delayMs: number): string {
  return `-NAK {"delay":${Math.ceil(delayMs) * NANOS}}`;
}
