/**
 * The durable sibling of BoundedQueue: the same producer and consumer code on every engine, chosen by a URL. Delivery is at least
 * once wherever the engine survives a crash, so handlers need an idempotency key (the job's id is one). What an engine cannot do
 * is refused, never emulated in silence.
 */
import {
  ADOPT,
  type Adoptable,
  type Component,
  type ComponentHealth,
  type Door,
  type DrainOptions,
  type DrainReport,
  type Stats,
} from '../component.ts';
import { UnsupportedError } from '../errors/job-errors.ts';
import { QueueClosedError } from '../errors/queue-errors.ts';
import { checkOptions } from '../options/checks.ts';
import { Producer, type ProduceOptions } from '../queue/produce.ts';
import type { QueueLoop } from '../queue/queue-loop.ts';
import type { Source } from '../queue/source.ts';
import { call } from '../signal/call.ts';
import { checkCallOptions, type CallOptions } from '../signal/work-context.ts';
import { DeadLetters } from './dead-letters.ts';
import {
  handIn,
  toWireJob,
  toWireJobs,
  type EnqueueOptions,
  type EnqueueWaitOptions,
  type JobInput,
} from './enqueue.ts';
import type { EnqueueResult, JobCapabilities } from './engine.ts';
import { JobConsumer, type JobConsumeOptions } from './job-consumer.ts';
import type { JobHandler } from './job-context.ts';
import { JobHub } from './job-hub.ts';
import { resolveOptions, type JobQueueOptions } from './job-options.ts';
import { JobPort } from './job-producer.ts';

/** How long an engine may take to answer what is not an enqueue, in milliseconds. */
const TIMEOUT_MS = 5_000;

/**
 * A queue of jobs that outlive the process, if its engine does.
 *
 * @example
 * const mails = new JobQueue<Mail>({ name: 'mails', url: 'memory:', retry: { maxRetries: 5 } });
 * mails.consume(async (mail, { id, signal }) => send(mail, { idempotencyKey: id, signal }), { concurrency: 8 });
 * await mails.enqueue({ to: 'ada@example.com' }, { id: 'welcome-ada' });
 */
export class JobQueue<T> implements Component, Adoptable, AsyncDisposable {
  readonly name: string;
  /** Jobs that will not be tried again. */
  readonly deadLetters: DeadLetters<T>;
  readonly #hub: JobHub;

  constructor(options: JobQueueOptions) {
    this.#hub = new JobHub(resolveOptions(options));
    this.name = this.#hub.name;
    this.deadLetters = new DeadLetters<T>(this.#hub);
  }

  /** What the engine does by itself, and how; some of it may be known better once the queue is open. */
  get capabilities(): JobCapabilities {
    return this.#hub.driver.capabilities;
  }

  [ADOPT](door: Door): void {
    this.#hub.adopt(door);
  }

  /**
   * Reaches the engine. Idempotent, and implicit at first use; after a failure it may be called again.
   *
   * @throws EngineUnavailableError, UnsafeEngineError, QueueClosedError (as rejections), or what the engine's client throws.
   */
  async open(ctx: CallOptions = {}): Promise<void> {
    checkCallOptions(ctx);
    await call(() => this.#hub.open(), {
      signal: ctx.signal,
      deadline: ctx.deadline,
      name: `Opening "${this.name}"`,
    });
  }

  /**
   * Hands a job in; resolves once the engine has it, as durably as its capabilities say.
   *
   * @throws QueueFullError when there was no room in time: not accepted.
   * @throws EnqueueTimeoutError when the engine did not answer in time: perhaps accepted, so enqueue again with the same id. The
   *   same holds for an abort after the engine was asked.
   * @throws PayloadInvalidError, PayloadTooLargeError, UnsupportedError, EngineUnavailableError, QueueClosedError,
   *   ShuttingDownError, TypeError, RangeError (all as rejections): not accepted.
   */
  async enqueue(payload: T, options: EnqueueOptions = {}): Promise<EnqueueResult> {
    checkOptions('options', options);
    const [result] = await handIn(this.#hub, [toWireJob(this.#hub, payload, options)], options);
    if (result === undefined)
      throw new UnsupportedError(`The engine of queue "${this.name}" answered nothing`);
    return result;
  }

  /**
   * Hands several jobs in, under one wait for room for all of them; results are in the order of `jobs`. Where the engine's
   * capabilities say `atomicBatch`, an error means that none was accepted.
   *
   * @throws what `enqueue` throws
   */
  async enqueueMany(
    jobs: readonly JobInput<T>[],
    options: EnqueueWaitOptions = {},
  ): Promise<readonly EnqueueResult[]> {
    return handIn(this.#hub, toWireJobs(this.#hub, jobs), options);
  }

  /**
   * Starts to work on jobs and returns the loop. A return acknowledges the job; an error spends the attempt, and the job is tried
   * again after its back-off; `noRetry(error)` makes it a dead letter at once, `retryLater(ms)` sets the delay, and a refusal of
   * another Holdfast part (an open circuit, a full bulkhead) gives the job back without spending an attempt.
   *
   * @throws TypeError, RangeError
   */
  consume(handler: JobHandler<T>, options: JobConsumeOptions = {}): QueueLoop {
    return new JobConsumer<T>(this.#hub, handler, options);
  }

  /**
   * Enqueues the items of `source`: of something to iterate, or of a function that is asked again and again. An item for which there
   * is no room, or no engine, stays in hand and is tried again, as the same job. When the source ends the loop ends, not the queue.
   *
   * @throws TypeError, RangeError
   */
  produce(source: Source<T>, options: ProduceOptions = {}): QueueLoop {
    const port = new JobPort<T>(
      this.#hub,
      (value, enqueueOptions) => this.enqueue(value, enqueueOptions),
      options.errorDelayMs ?? 1_000,
    );
    return new Producer(port, source, options);
  }

  /**
   * Delivers no new job to anybody, in any process, until `resume`; what runs goes on.
   *
   * @throws UnsupportedError (as a rejection) where the engine cannot; a loop's own `pause` works everywhere.
   */
  async pause(): Promise<void> {
    await this.#setPaused(true);
  }

  /** Ends `pause`. */
  async resume(): Promise<void> {
    await this.#setPaused(false);
  }

  /** Accepts no more jobs, and takes no more from an engine that keeps them; jobs that only memory holds are still worked off. */
  close(): void {
    this.#hub.close();
  }

  /**
   * Waits until this process has nothing in hand: no call to enqueue, and no job that runs here. Jobs that only memory holds must
   * be finished for that; those that an engine keeps need not.
   */
  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#hub.drain(options);
  }

  /** Closes, rejects whoever waits for room, and aborts handlers; their jobs are given back without spending an attempt. */
  cancel(reason: unknown = new QueueClosedError(this.name)): void {
    this.#hub.cancel(reason);
  }

  /** Numbers of the engine (those its capabilities name) and of this process. What is not known is absent. */
  stats(): Promise<Stats> {
    return this.#hub.stats();
  }

  /** Whether the engine answers, jobs are admitted and its consumers run. */
  async health(ctx: CallOptions = {}): Promise<ComponentHealth> {
    checkCallOptions(ctx);
    return this.#hub.health(ctx);
  }

  /** Closes, waits for what is in hand (after `cancel` two seconds at most), and lets go of the engine. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#hub.dispose();
  }

  async #setPaused(paused: boolean): Promise<void> {
    const { driver, name } = this.#hub;
    if (driver.setPaused === undefined || driver.capabilities.pause === 'consumer')
      throw new UnsupportedError(`The engine of queue "${name}" cannot pause a queue`);
    await this.#hub.open();
    await call(() => driver.setPaused?.(name, paused), { timeoutMs: TIMEOUT_MS, name: `Queue "${name}"` });
  }
}
