/**
 * One consumer at work: asks the server for as many jobs as it has free slots, renews the leases of what it holds, and begins anew
 * with a fresh inbox whenever what it has asked for may be lost. A message that waited unread while this process stood still, for as
 * long as its lease may have taken, is not started.
 */
import type { JobDelivery, JobSubscribeOptions } from '@holdfast/core';
import { now, reportError } from '@holdfast/core/internal';
import type { Msg } from '@nats-io/transport-node';
import { readAckSubject } from './ack-subject.ts';
import type { DeadStream } from './dead-stream.ts';
import { Delivery, type DeliveryHost } from './delivery.ts';
import { decodeJob } from './envelope.ts';
import { Inbox } from './inbox.ts';
import type { Link } from './link.ts';
import type { QueueStreams } from './queue-streams.ts';
import type { ServerClock } from './server-clock.ts';
import type { StartLedger } from './start-ledger.ts';

/** What a subscription works with. */
export interface SubscriptionHost {
  readonly queue: string;
  readonly link: Link;
  readonly streams: QueueStreams;
  readonly dead: DeadStream;
  readonly ledger: StartLedger;
  readonly clock: ServerClock;
  /** It holds nothing and takes nothing any more. */
  ended(subscription: Subscription): void;
}

/** How often to look after leases and requests at least, in milliseconds. */
const MAX_TICK_MS = 5_000;
/** How long to wait before beginning anew, in milliseconds. */
const PAUSE_MS = 250;

/** A consumer at work. */
export class Subscription implements AsyncDisposable, DeliveryHost {
  readonly queue: string;
  readonly link: Link;
  readonly dead: DeadStream;
  readonly ledger: StartLedger;
  readonly leaseMs: number;
  leaseIsShorter = false;
  readonly #host: SubscriptionHost;
  readonly #concurrency: number;
  readonly #deliver: (delivery: JobDelivery) => void;
  readonly #held: Set<Delivery> = new Set<Delivery>();
  readonly #returning: Set<Promise<void>> = new Set<Promise<void>>();
  readonly #watching: Disposable;
  readonly #tickMs: number;
  #ticks: ReturnType<typeof setInterval> | undefined;
  #tickedAt = now();
  #inbox: Inbox | undefined;
  #joining: Promise<void> | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** Messages may be older than they seem. */
  #stale = false;
  #disposed = false;

  constructor(
    host: SubscriptionHost,
    { concurrency, leaseMs }: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ) {
    this.#host = host;
    this.queue = host.queue;
    this.link = host.link;
    this.dead = host.dead;
    this.ledger = host.ledger;
    this.leaseMs = leaseMs;
    this.#concurrency = concurrency;
    this.#deliver = deliver;
    this.#tickMs = Math.min(leaseMs / 3, MAX_TICK_MS);
    this.#ticks = setInterval(() => this.#tick(), this.#tickMs);
    this.#watching = this.link.watch(() => this.#rejoin(0));
  }

  /** Takes part in the work on the queue; errors come as rejections. A call while another runs is that one. */
  join(): Promise<void> {
    this.#joining ??= this.#join().finally(() => {
      this.#joining = undefined;
    });
    return this.#joining;
  }

  async #join(): Promise<void> {
    const { streams, clock } = this.#host;
    const leaseMs = await streams.consumer(this.leaseMs);
    await clock.measure();
    this.leaseIsShorter = this.leaseMs < leaseMs;
    await this.#leave();
    if (this.#disposed) return;
    this.#inbox = new Inbox(this.link, streams.names.jobs.stream, {
      message: (message) => this.#take(message),
      ended: () => this.#pull(),
      broken: () => this.#rejoin(PAUSE_MS),
    });
    this.#pull();
    // nobody waits for it, and the next to join does it again
    this.#tidy().catch(() => {});
  }

  /** Removes what killed servers and killed workers have left behind. */
  async #tidy(): Promise<void> {
    const { streams, ledger } = this.#host;
    await ledger.forgetBefore(await streams.clear());
  }

  freed(delivery: Delivery): void {
    this.#held.delete(delivery);
    this.#pull();
    this.#endIfDone();
  }

  /** Takes no more; what is held may still be settled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#watching[Symbol.dispose]();
    clearTimeout(this.#pause);
    await this.#joining?.catch(() => {});
    await this.#leave();
    await Promise.all(this.#returning);
    this.#endIfDone();
  }

  /** Lets go of everything: leases run out. */
  abandon(): void {
    this.#disposed = true;
    this.#watching[Symbol.dispose]();
    clearTimeout(this.#pause);
    this.#held.clear();
    this.#endIfDone();
  }

  #pull(): void {
    if (!this.#disposed && this.link.up) this.#inbox?.ask(this.#concurrency - this.#held.size);
  }

  /** What came before may still be settled, and what is on its way is still taken. */
  async #leave(): Promise<void> {
    const inbox = this.#inbox;
    this.#inbox = undefined;
    await inbox?.close();
  }

  /** Begins anew, after `pauseMs`, and again until it succeeds. */
  #rejoin(pauseMs: number): void {
    if (this.#disposed || this.#pause !== undefined) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (!this.link.up) return;
      // one that has begun before may know nothing of what has happened since
      const before = this.#joining?.catch(() => {}) ?? Promise.resolve();
      before.then(() => this.join()).catch(() => this.#rejoin(PAUSE_MS));
    }, pauseMs);
  }

  #take(message: Msg): void {
    const arrivedAt = now();
    const { reply = '', data, headers } = message;
    const info = readAckSubject(reply);
    if (info === undefined) return;
    const { seq, deliveries, storedAt } = info;
    const { job } = decodeJob({ seq, storedAt, headers, data });
    const delivery = new Delivery(this, { job, seq, deliveries, ackSubject: reply, arrivedAt });
    const wanted = !this.#disposed && !this.#stale && this.#held.size < this.#concurrency;
    this.#held.add(delivery);
    if (this.leaseIsShorter) this.#renew(delivery);
    if (wanted && deliveries === 1 && job.delayMs === 0) this.#deliver(delivery);
    else this.#later(this.#prepare(delivery, wanted, storedAt + job.delayMs));
  }

  /** Finds out which start this is, and whether it is time for it. */
  async #prepare(delivery: Delivery, wanted: boolean, dueAt: number): Promise<void> {
    const stale = this.#stale;
    if (!(await delivery.learn())) {
      this.freed(delivery);
      return;
    }
    const restMs = dueAt - this.#host.clock.now();
    if (stale) {
      // it may be somebody else's by now: it is counted as no start, and left alone
      this.freed(delivery);
      await delivery.uncount(delivery.redelivered);
    } else if (!wanted || this.#disposed) await delivery.release();
    else if (restMs > 0) await delivery.postpone(restMs);
    else this.#deliver(delivery);
  }

  #later(work: Promise<void>): void {
    const settled = work.catch((error: unknown) => {
      if (!this.link.closed) reportError(error);
    });
    this.#returning.add(settled);
    void settled.then(() => this.#returning.delete(settled));
  }

  #tick(): void {
    const at = now();
    const lateMs = at - this.#tickedAt - this.#tickMs;
    this.#tickedAt = at;
    if (lateMs > this.leaseMs / 3) this.#stoodStill();
    for (const delivery of this.#held) this.#renew(delivery);
    if (this.#inbox?.silent) this.#rejoin(0);
  }

  /** Whatever has come by now may have waited. */
  #stoodStill(): void {
    this.#stale = true;
    this.link
      .ask(() => this.link.client.connection.flush())
      .catch(() => {})
      .finally(() => {
        this.#stale = false;
      });
  }

  /** A renewal that fails is tried again at the next tick. */
  #renew(delivery: Delivery): void {
    delivery.renew().catch(() => {});
  }

  #endIfDone(): void {
    if (!this.#disposed || this.#held.size > 0) return;
    clearInterval(this.#ticks);
    this.#ticks = undefined;
    this.#host.ended(this);
  }
}
