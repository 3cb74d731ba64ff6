/**
 * What the two sides of a job queue share: the engine and whether it is open, admission, the loops, and how it all ends. The one
 * difference that an engine makes here is durability: jobs that only memory holds are worked off before the end, others are left
 * where they are safe.
 */
import type { ComponentHealth, Door, DrainOptions, DrainReport, Stats } from '../component.ts';
import { QueueClosedError } from '../errors/queue-errors.ts';
import { emit, observed } from '../events/bus.ts';
import type { Loop, LoopFault } from '../queue/queue-loop.ts';
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';
import { call } from '../signal/call.ts';
import { IdleLine } from '../signal/idle-line.ts';
import { LazyAbort } from '../signal/lazy-abort.ts';
import type { CallOptions } from '../signal/work-context.ts';
import { Admission } from './admission.ts';
import { DepthSample } from './depth-sample.ts';
import type { JobDriver } from './engine.ts';
import type { IntakeHost } from './enqueue.ts';
import { JobConsumer, type JobConsumerHost } from './job-consumer.ts';
import type { JobProducerHost } from './job-producer.ts';
import { JobFigures, healthOf } from './job-figures.ts';
import type { JobSettings } from './job-options.ts';
import { Opening } from './opening.ts';
import type { Settled } from './settle.ts';

/** How long the engine may take to answer a question, in milliseconds. */
const ASK_TIMEOUT_MS = 2_000;
/** How long a disposal waits for handlers that were cancelled, in milliseconds. */
const GRACE_MS = 2_000;
/** How often to look for room that other processes made, in milliseconds. */
const POLL_MS = 100;

/** The inside of a JobQueue. */
export class JobHub implements IntakeHost, JobConsumerHost, JobProducerHost, AbortListener {
  readonly name: string;
  readonly driver: JobDriver;
  readonly admission: Admission;
  readonly sample: DepthSample | undefined;
  readonly maxDepth: number;
  readonly maxRetries: number;
  readonly maxPayloadBytes: number;
  readonly #settings: JobSettings;
  readonly #opening: Opening;
  readonly #idle: IdleLine = new IdleLine(
    () => this.#unfinished(),
    (left) => this.#report(left),
  );
  readonly #loops: Set<Loop> = new Set<Loop>();
  readonly #figures: JobFigures = new JobFigures();
  readonly #closing: LazyAbort = new LazyAbort();
  #door: Door | undefined;
  #lameDuck: AbortSignal | undefined;
  #disposing: Promise<void> | undefined;
  #closed = false;
  #released = false;
  /** Jobs that only memory held when it was let go. */
  #lost = 0;
  #cancelled = false;
  #fault: LoopFault | undefined;

  constructor(settings: JobSettings) {
    const { name, driver, maxDepth, overflow, maxPending } = settings;
    const { reach, backpressure } = driver.capabilities;
    this.#settings = settings;
    this.#opening = new Opening(name, driver);
    this.name = name;
    this.driver = driver;
    this.maxDepth = maxDepth;
    this.maxRetries = settings.maxRetries;
    this.maxPayloadBytes = settings.maxPayloadBytes;
    this.admission = new Admission({
      queue: name,
      maxDepth,
      maxPending,
      overflow,
      pollMs: reach === 'process' ? 0 : POLL_MS,
      settled: () => this.settle(),
    });
    if (backpressure === 'sampled' && maxDepth !== Infinity)
      this.sample = new DepthSample(name, maxDepth, () => driver.counts(name));
  }

  get door(): Door | undefined {
    return this.#door;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get opened(): boolean {
    return this.#opening.done;
  }

  adopt(door: Door): void {
    this.#door = door;
    if (this.#loops.size > 0) this.#watchShutdown();
  }

  open(): Promise<void> {
    return this.#released ? Promise.reject(this.#closedError()) : this.#opening.open();
  }

  refusal(options: CallOptions): Error | undefined {
    return this.#closed ? this.#closedError() : this.#door?.refusal(options);
  }

  backoffMs(failures: number): number {
    return this.#settings.backoffMs(failures);
  }

  started(queueDelayMs: number): void {
    this.#figures.started(queueDelayMs);
  }

  told(settled: Settled): void {
    this.#figures.told(settled);
    if (settled !== 'ack' && settled !== 'dead') return;
    this.sample?.free(1);
    this.admission.leave(1);
  }

  joined(loop: Loop): void {
    this.#fault = undefined;
    this.#loops.add(loop);
    this.#watchShutdown();
    if (this.#closed || this.#lameDuck?.aborted) this.#haltSafe(this.#closedError());
    if (this.#cancelled) loop.halt(undefined);
    else this.settle();
  }

  left(loop: Loop, fault: LoopFault | undefined): void {
    this.#loops.delete(loop);
    this.#fault ??= fault;
    this.settle();
  }

  settle(): void {
    if (this.#closed && !this.#durable && this.#unfinished() === 0)
      for (const loop of this.#loops) loop.halt(undefined);
    this.#idle.settle();
  }

  /** The lame duck. */
  onAbort(reason: unknown): void {
    this.#haltSafe(reason);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end(this.#closedError());
    this.settle();
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }

  cancel(reason: unknown): void {
    this.#cancelled = true;
    this.#closed = true;
    this.#end(reason);
    for (const loop of this.#loops) loop.cancel(reason);
    this.settle();
  }

  async stats(): Promise<Stats> {
    const counts = await this.#counts().catch((): Stats => ({}));
    const { pending } = this.admission;
    return this.#figures.stats(counts, { capacity: this.maxDepth, pending, inFlight: this.#inFlight() });
  }

  async health({ signal, deadline }: CallOptions): Promise<ComponentHealth> {
    if (this.#closed) return { status: 'down', detail: 'closed' };
    if (this.#fault !== undefined)
      return { status: this.#fault.fatal ? 'down' : 'degraded', detail: 'a loop stopped by an error' };
    try {
      return healthOf(await call(() => this.#counts(), { signal, deadline }), this.maxDepth);
    } catch (error) {
      return { status: 'down', detail: error instanceof Error ? error.message : String(error) };
    }
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    this.close();
    await this.#opening.settled();
    if (!this.#durable && !this.#cancelled && (await this.#worksOn())) await this.#idle.drain();
    const stopped = Promise.all(Array.from(this.#loops, (loop) => loop.stop()));
    await (this.#cancelled ? call(() => stopped, { timeoutMs: GRACE_MS }).catch(() => {}) : stopped);
    if (this.#lameDuck !== undefined) unlinkAbort(this.#lameDuck, this);
    this.#lost = this.#durable ? 0 : this.#left();
    this.#released = true;
    if (this.#lost > 0) this.#reportLost(this.#lost);
    if (this.opened) await this.driver.close();
  }

  /** Whether jobs in memory will ever be finished. */
  async #worksOn(): Promise<boolean> {
    const consumers = [...this.#loops].some((loop) => loop instanceof JobConsumer && loop.taking);
    if (!consumers) return false;
    const { paused } = await this.#counts();
    return paused !== true;
  }

  #reportLost(count: number): void {
    if (observed()) emit('queue.dropped', this.name, { why: 'disposed', count });
    else console.warn(`Queue "${this.name}" was disposed with ${count} jobs in memory; they are lost`);
  }

  get #durable(): boolean {
    return this.driver.capabilities.durability !== 'none';
  }

  async #counts(): Promise<Stats> {
    return call(
      async () => {
        await this.open();
        return this.driver.counts(this.name);
      },
      { timeoutMs: ASK_TIMEOUT_MS, name: `Queue "${this.name}"` },
    );
  }

  #closedError(): Error {
    return this.#door?.refusal(undefined) ?? new QueueClosedError(this.name);
  }

  /** How many jobs run here, and how many more a producer has in hand. */
  #inFlight(): number {
    let count = 0;
    for (const loop of this.#loops) count += loop.unfinished;
    return count;
  }

  /** Jobs that this process has accepted and nobody else will finish. */
  #left(): number {
    return Math.max(this.#inFlight(), this.#durable ? 0 : (this.driver.depth?.(this.name) ?? 0));
  }

  /** What a drain waits for: after a cancel nobody works on what is only waiting. */
  #unfinished(): number {
    return (this.#cancelled ? this.#inFlight() : this.#left()) + this.admission.pending;
  }

  #report(unfinished: number): DrainReport {
    const left = (this.#cancelled ? this.#left() : unfinished) + this.#lost;
    return { drained: left === 0, left, leaked: this.#cancelled ? this.#jobsInHand() : [] };
  }

  #jobsInHand(): readonly string[] {
    return [...this.#loops].flatMap((loop) => (loop instanceof JobConsumer ? loop.jobs : []));
  }

  #watchShutdown(): void {
    if (this.#lameDuck !== undefined || this.#door === undefined) return;
    const signal = this.#door.signalAt('lame-duck');
    this.#lameDuck = signal;
    if (signal.aborted) this.#haltSafe(signal.reason);
    else linkAbort(signal, this);
  }

  #end(reason: unknown): void {
    this.#closing.abort(reason);
    this.admission.end(reason);
    this.#haltSafe(reason);
  }

  /** Ends what takes in more: producers, and consumers of jobs that are safe where they are. */
  #haltSafe(reason: unknown): void {
    for (const loop of this.#loops) if (this.#durable || !(loop instanceof JobConsumer)) loop.halt(reason);
  }
}
