/**
 * The consumer of a job queue: subscribes at the engine, runs a handler for each delivery, and subscribes again when that fails.
 * A slot is held until its handler has really ended. Handlers run in the asynchronous context of the call to `consume`, on every
 * engine alike; what a producer wants to send along goes into headers.
 */
import { checkDelayMs, checkFunction, checkInteger, checkTimeoutMs, outOfRange } from '../options/checks.ts';
import { Loop, type LoopFault, type LoopHost } from '../queue/queue-loop.ts';
import { Faults } from '../queue/faults.ts';
import { captureContext, reportError, type RunInContext } from '../runtime.ts';
import { call } from '../signal/call.ts';
import type { Deadline } from '../signal/deadline.ts';
import { executionOf, type Execution } from '../signal/execution.ts';
import { checkCallOptions, type CallOptions } from '../signal/work-context.ts';
import type { JobDelivery, JobDriver, JobSubscribeOptions } from './engine.ts';
import type { JobHandler } from './job-context.ts';
import { JobRun, type JobRunHost } from './job-run.ts';
import { isFinal } from './outcome.ts';
import type { Settled } from './settle.ts';

/** How jobs are consumed. The signal ends the loop and aborts its handlers; their jobs are given back. */
export interface JobConsumeOptions extends CallOptions {
  /** How many jobs run at a time. @default 1 */
  readonly concurrency?: number | undefined;
  /** Longest time for one start, in milliseconds; passing it spends the attempt. @default Infinity */
  readonly timeoutMs?: number | undefined;
  /**
   * How long a lease lasts without renewal, in milliseconds. It is renewed while the handler runs, so it bounds how long the event
   * loop may be blocked, not the work. @default 30_000, or `crashRedeliveryMs` where that is less
   */
  readonly leaseMs?: number | undefined;
  /** Within what time a crashed worker's job is to run again, in milliseconds; at least `leaseMs`. @default leaseMs + 5_000 */
  readonly crashRedeliveryMs?: number | undefined;
}

/** What a consumer needs of its queue. */
export interface JobConsumerHost extends LoopHost {
  readonly name: string;
  readonly driver: JobDriver;
  open(): Promise<void>;
  backoffMs(failures: number): number;
  /** The engine was told an outcome. */
  told(settled: Settled): void;
  /** A job was started that had waited so long. */
  started(queueDelayMs: number): void;
}

/** How long an engine may take to begin or to end a subscription, in milliseconds. */
const SUBSCRIBE_TIMEOUT_MS = 10_000;
/** Pauses after a failure to subscribe, in milliseconds: doubled each time from the first to the last. */
const MIN_PAUSE_MS = 250;
const MAX_PAUSE_MS = 10_000;

/** Runs a handler for each job of a queue. */
export class JobConsumer<T> extends Loop<JobConsumerHost> implements JobRunHost<T> {
  readonly kind = 'consumer';
  readonly handler: JobHandler<T>;
  readonly inContext: RunInContext;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly deadline: Deadline | undefined;
  readonly execution: Execution | undefined;
  readonly #subscribe: JobSubscribeOptions;
  readonly faults: Faults;
  readonly settleTimeoutMs: number;
  readonly #runs: Set<JobRun<T>> = new Set<JobRun<T>>();
  #leaked = 0;
  #fault: LoopFault | undefined;
  #subscribed = false;
  #change: (() => void) | undefined;

  constructor(host: JobConsumerHost, handler: JobHandler<T>, options: JobConsumeOptions) {
    checkFunction('handler', handler);
    checkCallOptions(options);
    super(host, options);
    const { concurrency = 1, timeoutMs = Infinity } = options;
    this.#subscribe = { concurrency: checkInteger('concurrency', concurrency, 1), ...checkLease(options) };
    this.timeoutMs = checkTimeoutMs('timeoutMs', timeoutMs);
    this.graceMs = this.#subscribe.leaseMs;
    this.deadline = options.deadline;
    this.execution = executionOf(options);
    this.handler = handler;
    this.inContext = captureContext();
    this.faults = new Faults(host.name);
    // an answer after the lease is of no use; an engine in this process needs no time
    this.settleTimeoutMs = host.driver.capabilities.reach === 'process' ? Infinity : this.graceMs;
    this.begin();
    void this.#serve();
  }

  get queue(): string {
    return this.host.name;
  }

  get owner(): object | undefined {
    return this.host.door?.owner;
  }

  get inFlight(): number {
    return this.#runs.size;
  }

  get unfinished(): number {
    return this.#runs.size;
  }

  /** Names of the jobs in hand. */
  get jobs(): readonly string[] {
    return Array.from(this.#runs, ({ id }) => `job "${id}" of queue "${this.queue}"`);
  }

  backoffMs(failures: number): number {
    return this.host.backoffMs(failures);
  }

  started(queueDelayMs: number): void {
    this.host.started(queueDelayMs);
  }

  told(settled: Settled): void {
    this.host.told(settled);
  }

  leaked(): void {
    this.#leaked += 1;
    this.#changed();
  }

  ended(run: JobRun<T>, leaked: boolean): void {
    this.#runs.delete(run);
    if (leaked) this.#leaked -= 1;
    this.#changed();
    this.#endIfIdle();
    this.host.settle();
  }

  protected onPause(): void {
    this.#changed();
  }

  protected onResume(): void {
    this.#changed();
  }

  protected onHalt(): void {
    this.#changed();
    this.#endIfIdle();
  }

  protected onCancel(reason: unknown): void {
    for (const run of this.#runs) run.cancel(reason);
  }

  /** Slots that no leaked handler holds. */
  get #slots(): number {
    return this.taking ? Math.max(0, this.#subscribe.concurrency - this.#leaked) : 0;
  }

  async #serve(): Promise<void> {
    let failures = 0;
    while (this.running) {
      const slots = this.#slots;
      if (slots === 0) {
        await this.#nextChange();
        continue;
      }
      let subscription: AsyncDisposable;
      try {
        await this.host.open();
        if (!this.running) break;
        subscription = await this.#subscribeAtMost({ ...this.#subscribe, concurrency: slots });
      } catch (error) {
        failures += 1;
        await this.#failed(error, Math.min(MIN_PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS));
        continue;
      }
      failures = 0;
      while (this.#slots === slots) await this.#nextChange();
      await this.#unsubscribe(subscription);
    }
    this.#endIfIdle();
  }

  async #subscribeAtMost(options: JobSubscribeOptions): Promise<AsyncDisposable> {
    const { name, driver } = this.host;
    this.#subscribed = true;
    const subscribing = driver.consume(name, options, (delivery) => this.#deliver(delivery));
    try {
      return await call(() => subscribing, { timeoutMs: SUBSCRIBE_TIMEOUT_MS, name: `Consuming "${name}"` });
    } catch (error) {
      this.#subscribed = false;
      // one that comes after all must not go on delivering
      subscribing.then((late) => late[Symbol.asyncDispose]()).catch(() => {});
      throw error;
    }
  }

  async #unsubscribe(subscription: AsyncDisposable): Promise<void> {
    const limits = { timeoutMs: SUBSCRIBE_TIMEOUT_MS, name: `Leaving "${this.queue}"` };
    try {
      await call(() => subscription[Symbol.asyncDispose](), limits);
    } catch (error) {
      reportError(error);
    }
    this.#subscribed = false;
  }

  async #failed(error: unknown, delayMs: number): Promise<void> {
    if (!this.running) return;
    if (isFinal(error)) {
      this.faults.stopped('the consumer stopped', error);
      this.#fault = { error, fatal: true };
      this.halt(undefined);
      return;
    }
    this.faults.report('job.consumer-failed', 'the consumer could not subscribe, and tries again', {
      error,
      delayMs,
    });
    const timer = setTimeout(() => this.#changed(), delayMs);
    await this.#nextChange();
    clearTimeout(timer);
  }

  #deliver(delivery: JobDelivery): void {
    if (!this.taking) {
      delivery.release().catch(reportError);
      return;
    }
    const run = new JobRun<T>(this, delivery);
    this.#runs.add(run);
    run.start();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#change = resolve;
    });
  }

  #changed(): void {
    this.#change?.();
  }

  #endIfIdle(): void {
    if (!this.running && !this.#subscribed && this.#runs.size === 0) this.end(this.#fault);
  }
}

function checkLease(options: JobConsumeOptions): Pick<JobSubscribeOptions, 'leaseMs' | 'crashRedeliveryMs'> {
  const { crashRedeliveryMs } = options;
  const { leaseMs = Math.min(30_000, crashRedeliveryMs ?? Infinity) } = options;
  checkDelayMs('leaseMs', leaseMs);
  if (leaseMs < 100) throw outOfRange('leaseMs', 'at least 100 ms', leaseMs);
  if (crashRedeliveryMs === undefined) return { leaseMs, crashRedeliveryMs: leaseMs + 5_000 };
  checkDelayMs('crashRedeliveryMs', crashRedeliveryMs);
  if (crashRedeliveryMs < leaseMs)
    throw outOfRange('crashRedeliveryMs', 'at least leaseMs', crashRedeliveryMs);
  return { leaseMs, crashRedeliveryMs };
}
