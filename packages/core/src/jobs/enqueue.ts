/**
 * The producer's side of a job queue: checks and encodes, waits for room, and hands jobs to the engine within the time given.
 * Once the engine is asked, a time-out or an abort leaves the outcome open; enqueueing again with the same id settles it.
 */
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { EngineUnavailableError, EnqueueTimeoutError, UnsupportedError } from '../errors/job-errors.ts';
import { emit, observed } from '../events/bus.ts';
import {
  checkBetween,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimeoutMs,
  invalidType,
  outOfRange,
} from '../options/checks.ts';
import { now } from '../runtime.ts';
import { call, type CallLimits } from '../signal/call.ts';
import { checkWaitOptions, type WaitOptions } from '../signal/wait-line.ts';
import { extendContext, type CallOptions } from '../signal/work-context.ts';
import type { Admission } from './admission.ts';
import type { DepthSample } from './depth-sample.ts';
import { encodePayload } from './encoding.ts';
import type { EnqueueResult, JobDriver, JobPriority, WireJob } from './engine.ts';
import { jobBehind } from './job-context.ts';
import { UNLIMITED_RETRIES } from './outcome.ts';

/** What may be said of one job. */
export interface JobOptions {
  /**
   * Deduplication id: while a job of this id is present, another is answered `duplicate`. The id of a job whose context is passed on
   * does not count as given; to tie a job to the one that enqueues it, derive an id from it, such as `${ctx.id}:receipt`.
   *
   * @default a random UUID
   */
  readonly id?: string | undefined;
  /** The job starts no earlier than this long after it is accepted, in milliseconds. @default 0 */
  readonly delayMs?: number | undefined;
  /** Which jobs go first. @default 'normal' */
  readonly priority?: JobPriority | undefined;
  /** How many starts may follow the first. @default the queue's `retry.maxRetries` */
  readonly maxRetries?: number | undefined;
  /** Handed to the handler as they are; the place for trace context. Those of a context that is passed on travel along. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** How long handing in may take. Without `maxWaitMs` a full queue is waited for as long as `timeoutMs` lasts. */
export interface EnqueueWaitOptions extends WaitOptions {
  /** Longest time for the whole call, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number | undefined;
}

/** How a job is handed in. */
export interface EnqueueOptions extends JobOptions, EnqueueWaitOptions {}

/** One job of several; the wait belongs to all of them. */
export interface JobInput<T> extends JobOptions {
  readonly payload: T;
}

/** What handing in needs of its queue. */
export interface IntakeHost {
  readonly name: string;
  readonly driver: JobDriver;
  readonly admission: Admission;
  /** Where the engine keeps no bound by itself. */
  readonly sample: DepthSample | undefined;
  readonly maxDepth: number;
  readonly maxRetries: number;
  readonly maxPayloadBytes: number;
  readonly opened: boolean;
  open(): Promise<void>;
  /** The refusal of new jobs, where there is one. */
  refusal(options: CallOptions): Error | undefined;
}

const WAIT_KEYS = ['signal', 'deadline', 'maxWaitMs', 'timeoutMs'] as const;

/** Checks and encodes one job. */
export function toWireJob(host: IntakeHost, payload: unknown, options: JobOptions, root?: string): WireJob {
  const { delayMs = 0, priority = 'normal', headers = {} } = options;
  const behind = jobBehind(options);
  const id = options.id === behind?.id ? undefined : options.id;
  const maxRetries =
    options.maxRetries === behind?.maxRetries ? host.maxRetries : (options.maxRetries ?? host.maxRetries);
  const { capabilities } = host.driver;
  const job: WireJob = {
    id: id === undefined ? globalThis.crypto.randomUUID() : checkName('id', id),
    headers: checkHeaders(headers),
    // rounded up, so that a job is never early
    delayMs: Math.ceil(checkBetween('delayMs', delayMs, 0, MAX_DELAY_MS)),
    priority: checkOneOf('priority', priority, ['high', 'normal', 'low']),
    maxRetries: Math.min(checkInteger('maxRetries', maxRetries, 0, true), UNLIMITED_RETRIES),
    enqueuedAt: Date.now(),
    body: encodePayload(payload, Math.min(host.maxPayloadBytes, capabilities.maxPayloadBytes), root),
  };
  if (job.delayMs > 0 && capabilities.delay === 'none') throw unsupported(host.name, 'delays');
  if (job.priority !== 'normal' && capabilities.priority === 'none')
    throw unsupported(host.name, 'priorities');
  return job;
}

/** Ten years. */
const MAX_DELAY_MS = 315_576_000_000;

/** Checks and encodes several jobs. */
export function toWireJobs(host: IntakeHost, inputs: readonly JobInput<unknown>[]): readonly WireJob[] {
  if (!Array.isArray(inputs)) throw invalidType('jobs', 'an array', inputs);
  const { largestBatch } = host.admission;
  if (inputs.length > largestBatch)
    throw outOfRange('jobs', `at most ${largestBatch}, or they never fit`, inputs.length);
  return inputs.map((input: JobInput<unknown>, index) => {
    checkOptions(`jobs[${index}]`, input);
    for (const key of WAIT_KEYS) {
      const value: unknown = Reflect.get(input, key);
      if (value !== undefined)
        throw invalidType(`jobs[${index}].${key}`, 'absent: the jobs wait together', value);
    }
    return toWireJob(host, input.payload, input, `jobs[${index}].payload`);
  });
}

/** Waits for room and hands `jobs` to the engine, all at once. */
export async function handIn(
  host: IntakeHost,
  jobs: readonly WireJob[],
  options: EnqueueWaitOptions,
): Promise<readonly EnqueueResult[]> {
  checkWaitOptions(options);
  const { signal, deadline, maxWaitMs = Infinity, timeoutMs = 10_000 } = options;
  checkTimeoutMs('timeoutMs', timeoutMs);
  signal?.throwIfAborted();
  const refusal = host.refusal(options);
  if (refusal !== undefined) throw refusal;
  if (jobs.length === 0) return [];
  const until = now() + timeoutMs;
  const wait = { signal, deadline, maxWaitMs: Math.min(maxWaitMs, timeoutMs) };
  const results = await host.admission.enter(jobs.length, wait, () =>
    ask(host, jobs, options, timeoutMs, until),
  );
  if (observed()) report(host.name, results);
  return results;
}

/** Asks the engine once. QUEUE_FULL means that nothing was accepted. */
async function ask(
  host: IntakeHost,
  jobs: readonly WireJob[],
  options: EnqueueWaitOptions,
  timeoutMs: number,
  until: number,
): Promise<readonly EnqueueResult[]> {
  const { name, driver, maxDepth, sample } = host;
  const limits = (): CallLimits => ({
    signal: options.signal,
    deadline: options.deadline,
    timeoutMs: until === Infinity ? Infinity : Math.max(1, until - now()),
    name: `Enqueueing on "${name}"`,
  });
  if (!host.opened) {
    await call(() => host.open(), limits()).catch((error: unknown) => {
      throw isOwnTimeout(error)
        ? new EngineUnavailableError(`Queue "${name}" did not open in time`, error)
        : error;
    });
    const refusal = host.refusal(options);
    if (refusal !== undefined) throw refusal;
  }
  if (sample !== undefined) await call(() => sample.reserve(jobs.length), limits());
  try {
    const results = await call(
      (ctx) => driver.enqueue(name, jobs, extendContext(ctx, { maxDepth })),
      limits(),
    );
    sample?.free(results.filter(({ status }) => status === 'duplicate').length);
    return results;
  } catch (error) {
    if (isOwnTimeout(error)) throw new EnqueueTimeoutError(name, timeoutMs);
    sample?.free(jobs.length);
    throw error;
  }
}

function isOwnTimeout(error: unknown): boolean {
  return isHoldfastError(error, 'TIMEOUT') && error.kind === 'total';
}

function report(queue: string, results: readonly EnqueueResult[]): void {
  for (const { status, id } of results)
    emit(status === 'duplicate' ? 'job.duplicate' : 'job.enqueued', queue, { id });
}

function checkHeaders(headers: unknown): Readonly<Record<string, string>> {
  checkOptions('headers', headers);
  const checked: Record<string, string> = {};
  for (const [key, value] of Object.entries(headers as object)) {
    if (typeof value !== 'string') throw invalidType(`headers.${key}`, 'a string', value);
    checked[key] = value;
  }
  return checked;
}

function unsupported(queue: string, what: string): UnsupportedError {
  return new UnsupportedError(`The engine of queue "${queue}" has no ${what}`);
}
