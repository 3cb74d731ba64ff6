/**
 * A driver on BullMQ. Everybody on the network may share a queue. Jobs are as safe as the engine's own configuration makes them, which
 * is looked at when it opens.
 */
import {
  EngineUnavailableError,
  isHoldfastError,
  sleep,
  withTimeout,
  type CallOptions,
  type EnqueueResult,
  type JobAdmission,
  type JobCapabilities,
  type JobDelivery,
  type JobDriver,
  type JobSubscribeOptions,
  type Stats,
  type WireJob,
} from '@holdfast/core';
import { now } from '@holdfast/core/internal';
import type { Backend } from './backend.ts';
import type { BullQueue, LoadBull } from './bull.ts';
import { BullmqDeadLetters } from './dead-letters.ts';
import { outcomeOf, translate } from './engine-errors.ts';
import { envelop, optionsOf, readJob } from './envelope.ts';
import type { Location } from './location.ts';
import { NAMES, deadName, encodeId, encodeName } from './names.ts';
import { openPostgres } from './postgres-backend.ts';
import { openRedis } from './redis-backend.ts';
import { Subscription } from './subscription.ts';

/** A time that was asked for, and when. */
interface Asked {
  readonly askedAt: number;
  readonly since: number;
}

/** How long to wait before something is sent again whose answer was lost, in milliseconds. */
const RESEND_MS = 200;

/** How long a consumer may take to connect, in milliseconds. */
const READY_MS = 5_000;
/** How long it may take to let go of everything in order, in milliseconds. */
const CLOSE_MS = 2_500;
/** How long it is good enough to know what has waited longest, in milliseconds. */
const OLDEST_MS = 1_000;

/** The engine behind `redis:` and `postgres:`. */
export class BullmqDriver implements JobDriver {
  readonly capabilities: JobCapabilities;
  readonly dead: BullmqDeadLetters = new BullmqDeadLetters({
    letters: (queue) => this.#letters(queue),
    revive: async (queue, job, options) => {
      const [result] = await this.enqueue(queue, [job], options);
      return result?.status === 'enqueued';
    },
  });
  readonly #location: Location;
  readonly #load: LoadBull;
  readonly #queues: Map<string, Promise<BullQueue>> = new Map<string, Promise<BullQueue>>();
  /** Those that were used already, by the names they are called by. */
  readonly #known: Map<string, BullQueue> = new Map<string, BullQueue>();
  readonly #waitingSince: Map<string, Asked> = new Map<string, Asked>();
  readonly #subscriptions: Set<Subscription> = new Set<Subscription>();
  #backend: Backend | undefined;

  constructor(location: Location, load: LoadBull) {
    this.#location = location;
    this.#load = load;
    this.capabilities = capabilitiesOf(location);
  }

  async open(options: CallOptions): Promise<void> {
    if (this.#backend !== undefined) return;
    const location = this.#location;
    const backend = await (location.kind === 'redis'
      ? openRedis(location, this.#load, options)
      : openPostgres(location, this.#load, options));
    // whoever gave up has perhaps begun anew
    if (options.signal?.aborted || this.#backend !== undefined) await backend.close();
    else this.#backend = backend;
    options.signal?.throwIfAborted();
  }

  async enqueue(
    queue: string,
    jobs: readonly WireJob[],
    admission: JobAdmission,
  ): Promise<readonly EnqueueResult[]> {
    const entries = jobs.map((job) => ({ data: envelop(job), options: optionsOf(job) }));
    const living = await this.#living(queue);
    const add = async (): Promise<readonly (string | undefined)[]> => {
      const [first, ...others] = entries;
      if (first === undefined) return [];
      if (others.length > 0) return this.#connected().addAll(encodeName(queue), entries);
      return [(await living.add('job', first.data, first.options)).id];
    };
    const present = await untilKnown(add, admission);
    return jobs.map(({ id }, index) => ({
      id,
      status: present[index] === entries[index]?.options.jobId ? 'enqueued' : 'duplicate',
    }));
  }

  async consume(
    queue: string,
    options: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ): Promise<AsyncDisposable> {
    const backend = this.#connected();
    await this.#living(queue);
    const worker = backend.worker(encodeName(queue), options);
    try {
      // it would wait for an engine that is away, and so would the next one
      await withTimeout(() => worker.waitUntilReady(), { timeoutMs: READY_MS });
      await worker.startStalledCheckTimer();
    } catch (error) {
      worker.close(true).catch(() => {});
      throw isHoldfastError(error, 'TIMEOUT')
        ? new EngineUnavailableError('The engine did not answer to a consumer', error)
        : translate(error);
    }
    const subscription = new Subscription(
      {
        queue,
        worker,
        final: backend.final,
        bury: (job, death) => this.dead.bury(queue, job, death),
        ended: (one) => void this.#subscriptions.delete(one),
      },
      options,
      deliver,
    );
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async counts(queue: string): Promise<Stats> {
    try {
      const [living, letters] = await Promise.all([this.#living(queue), this.#letters(queue)]);
      const [counts, dead, paused, since] = await Promise.all([
        living.getJobCounts(),
        letters.getJobCounts(),
        living.isPaused(),
        this.#oldest(queue, living),
      ]);
      const known: Stats = {
        // version 5 keeps what waits in a paused queue apart
        waiting: (counts['waiting'] ?? 0) + (counts['prioritized'] ?? 0) + (counts['paused'] ?? 0),
        delayed: counts['delayed'] ?? 0,
        active: counts['active'] ?? 0,
        dead: dead['delayed'] ?? 0,
        paused,
      };
      return known['waiting'] === 0 || since === Infinity
        ? known
        : { ...known, oldestAgeMs: Math.max(0, Date.now() - since) };
    } catch (error) {
      throw translate(error);
    }
  }

  /** When what waits longest was handed in. It costs the jobs themselves to know, and counts are often asked for. */
  async #oldest(queue: string, living: BullQueue): Promise<number> {
    const known = this.#waitingSince.get(queue);
    if (known !== undefined && now() - known.askedAt < OLDEST_MS) return known.since;
    const first = await living.getJobs(['waiting', 'prioritized'], 0, 0, true);
    const since = Math.min(...first.map((job) => (job === undefined ? Infinity : readJob(job).enqueuedAt)));
    this.#waitingSince.set(queue, { askedAt: now(), since });
    return since;
  }

  async setPaused(queue: string, paused: boolean): Promise<void> {
    try {
      const living = await this.#living(queue);
      await (paused ? living.pause() : living.resume());
    } catch (error) {
      throw translate(error);
    }
  }

  async queues(): Promise<readonly string[]> {
    try {
      const names = await (await this.#open(NAMES)).getJobs(['waiting'], 0, -1, true);
      return names.flatMap((job) => (job === undefined ? [] : [readJob(job).id])).toSorted();
    } catch (error) {
      throw translate(error);
    }
  }

  async close(): Promise<void> {
    const backend = this.#backend;
    if (backend === undefined) return;
    this.#backend = undefined;
    const queues = [...this.#queues.values()];
    this.#queues.clear();
    this.#known.clear();
    const close = async (): Promise<void> => {
      await Promise.all(Array.from(this.#subscriptions, (subscription) => subscription.abandon()));
      await Promise.all(queues.map(async (queue) => (await queue).close()));
    };
    // a server that stands still does not answer to this, and needs not
    await withTimeout(close, { timeoutMs: CLOSE_MS }).catch(() => {});
    await backend.close();
  }

  /** The queue's own, its name written down at first use. */
  async #living(queue: string): Promise<BullQueue> {
    const known = this.#known.get(queue);
    if (known !== undefined) return known;
    try {
      const names = await this.#open(NAMES);
      const entry: WireJob = { ...NOTE, id: queue };
      await names.add('queue', envelop(entry), { jobId: encodeId(queue) });
      const living = await this.#open(encodeName(queue));
      if (this.#backend !== undefined) this.#known.set(queue, living);
      return living;
    } catch (error) {
      throw translate(error);
    }
  }

  #letters(queue: string): Promise<BullQueue> {
    return this.#open(deadName(encodeName(queue)));
  }

  /** A queue of BullMQ's; one that could not be reached is tried anew the next time. */
  async #open(name: string): Promise<BullQueue> {
    const backend = this.#connected();
    let opening = this.#queues.get(name);
    if (opening === undefined) {
      opening = ready(backend.queue(name));
      this.#queues.set(name, opening);
      opening.catch(() => this.#queues.delete(name));
    }
    return opening;
  }

  #connected(): Backend {
    if (this.#backend === undefined) throw new EngineUnavailableError('The BullMQ driver is not open');
    return this.#backend;
  }
}

/** The queue, once it can be used; one that cannot holds nothing. */
async function ready(queue: BullQueue): Promise<BullQueue> {
  try {
    await queue.waitUntilReady();
    return queue;
  } catch (error) {
    queue.close().catch(() => {});
    throw error;
  }
}

/** What stands for a queue in the list of queues. */
const NOTE: Omit<WireJob, 'id'> = {
  body: 'null',
  headers: {},
  delayMs: 0,
  priority: 'normal',
  enqueuedAt: 0,
  maxRetries: 0,
};

/**
 * Adds, and adds again while an answer was lost on its way: what is there already is recognised by its id. Only an error of which it is
 * known that nothing was added ends it before the caller's time does.
 */
async function untilKnown<T>(add: () => Promise<T>, admission: JobAdmission): Promise<T> {
  for (let lost = false; ; lost = true) {
    try {
      return await add();
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === 'failed' || (outcome === 'refused' && !lost)) throw translate(error);
    }
    // read here only: a signal that nobody reads costs nothing
    await sleep(RESEND_MS, { signal: admission.signal });
  }
}

function capabilitiesOf({ kind }: Location): JobCapabilities {
  return {
    reach: 'network',
    delivery: 'at-least-once',
    durability: 'server-config',
    crashDetection: 'lease',
    leaseClock: kind === 'redis' ? 'server' : 'worker',
    delayClock: 'producer',
    delay: 'native',
    priority: 'native',
    dedupe: { scope: 'while-present', reported: true },
    order: 'fifo-single-consumer',
    backpressure: 'sampled',
    pause: 'queue',
    atomicBatch: true,
    counts: ['waiting', 'active', 'delayed', 'dead'],
    maxPayloadBytes: 100 * 1024 * 1024,
    transactionalEnqueue: false,
  };
}
