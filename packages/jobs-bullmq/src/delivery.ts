/**
 * One start of one job. BullMQ counts starts; those that were given back are counted beside them, in the job's progress, so that an
 * attempt is a start which was not given back. Each outcome is fenced by the token of the lock.
 */
import { LeaseLostError, type JobDelivery, type JobFailure, type WireJob } from '@holdfast/core';
import { now } from '@holdfast/core/internal';
import type { BullJob } from './bull.ts';
import { isLeaseLost } from './engine-errors.ts';
import { readJob, type Death } from './envelope.ts';

/** What a delivery needs of its subscription. */
export interface DeliveryHost {
  readonly queue: string;
  readonly leaseMs: number;
  /** Whether the answer to an outcome may bring the next job. */
  readonly fetching: boolean;
  /** An error with which a failure cannot be retried. */
  readonly final: new (message: string) => Error;
  /** Writes the letter of a job that is about to die. */
  bury(job: WireJob, death: Death): Promise<void>;
  /** Nothing more will be said of `delivery`; `answer` may hold the next job. */
  settled(delivery: Delivery, answer: unknown): Promise<void>;
}

/** Starts that do not count, as they are stored. */
interface GivenBack {
  /** Starts that spent no attempt. */
  readonly released: number;
  /** Those of them that no handler ever saw. */
  readonly unseen: number;
}

/** A job in the hands of a worker. */
export class Delivery implements JobDelivery {
  readonly job: WireJob;
  readonly token: string;
  readonly #host: DeliveryHost;
  readonly #bull: BullJob;
  readonly #given: GivenBack;
  readonly #lease: AbortController = new AbortController();
  /** Until when nobody else can have the job, by `now`. */
  #leasedUntil: number;
  #renewing = false;
  #settled = false;

  constructor(host: DeliveryHost, bull: BullJob, token: string) {
    this.#host = host;
    this.#bull = bull;
    this.token = token;
    this.job = readJob(bull);
    this.#given = givenBack(bull.progress);
    this.#leasedUntil = now() + host.leaseMs;
  }

  get attempt(): number {
    return Math.max(1, this.#bull.attemptsStarted - this.#given.released);
  }

  get redelivered(): boolean {
    return this.#bull.attemptsStarted - this.#given.unseen > 1;
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  /**
   * Extends the lock, and aborts the signal where it is lost. An engine that is away, or stands still, is asked again later; once a
   * lease has passed without an answer the job may be somebody else's.
   */
  async renew(): Promise<void> {
    if (this.#renewing) return this.#loseIfLate();
    this.#renewing = true;
    const askedAt = now();
    try {
      if (await this.#renewed()) this.#leasedUntil = askedAt + this.#host.leaseMs;
      else this.#lose();
    } catch {
      this.#loseIfLate();
    } finally {
      this.#renewing = false;
    }
  }

  async ack(): Promise<'acked' | 'lease-lost'> {
    return this.#settle(() => this.#bull.moveToCompleted(null, this.token, this.#host.fetching));
  }

  async retry(delayMs: number): Promise<void> {
    await this.#settle(() => this.#bull.moveToDelayed(Date.now() + delayMs, this.token));
  }

  async dead(error: JobFailure): Promise<void> {
    await this.#settle(async () => {
      // no letter of a job that somebody else has
      if (!(await this.#renewed())) return undefined;
      const attempts = Math.min(this.attempt, this.job.maxRetries + 1);
      await this.#host.bury(this.job, { attempts, error });
      return this.#bull.moveToFailed(new this.#host.final(error.message), this.token, this.#host.fetching);
    });
  }

  async release(delayMs?: number): Promise<void> {
    await this.#settle(() => this.#giveBack(delayMs, 0));
  }

  /** Gives back what was fetched and never delivered. */
  async returnUnseen(): Promise<void> {
    await this.#settle(() => this.#giveBack(undefined, 1));
  }

  async #giveBack(delayMs: number | undefined, unseen: number): Promise<void> {
    if (!(await this.#renewed())) return;
    const { released, unseen: before } = this.#given;
    await this.#bull.updateProgress({ released: released + 1, unseen: before + unseen });
    if (delayMs === undefined) await this.#bull.moveToWait(this.token);
    else await this.#bull.moveToDelayed(Date.now() + delayMs, this.token);
  }

  #loseIfLate(): void {
    if (now() >= this.#leasedUntil) this.#lose();
  }

  #lose(): void {
    if (!this.#settled) this.#lease.abort(new LeaseLostError(this.#host.queue, this.job.id));
  }

  async #renewed(): Promise<boolean> {
    return (await this.#bull.extendLock(this.token, this.#host.leaseMs)) === 1;
  }

  /** Only the first outcome counts. */
  async #settle(work: () => Promise<unknown>): Promise<'acked' | 'lease-lost'> {
    if (this.#settled) return 'lease-lost';
    this.#settled = true;
    let answer: unknown;
    try {
      answer = await work();
      return 'acked';
    } catch (error) {
      if (!isLeaseLost(error)) throw error;
      return 'lease-lost';
    } finally {
      await this.#host.settled(this, answer);
    }
  }
}

function givenBack(progress: unknown): GivenBack {
  const { released, unseen } = Object(progress) as Partial<Record<keyof GivenBack, unknown>>;
  return { released: count(released), unseen: count(unseen) };
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
