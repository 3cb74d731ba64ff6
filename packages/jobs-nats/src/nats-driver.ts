/**
 * A driver on NATS JetStream. The server keeps leases, redelivery and the window in which an id is known; what is added here is the
 * count of starts, delays, dead letters and the worker's own fence.
 */
import {
  EngineUnavailableError,
  EnqueueTimeoutError,
  PayloadTooLargeError,
  QueueFullError,
  sleep,
  type CallOptions,
  type DeadLetterStore,
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
import { DeadStream } from './dead-stream.ts';
import { encodeJob, writeHeaders } from './envelope.ts';
import { Link } from './link.ts';
import type { Location } from './location.ts';
import { allJobs, namesOf, tokenOf } from './names.ts';
import { CODES, codeOf, isFull, isUnanswered, isUnheard, translate } from './nats-errors.ts';
import { DEDUPE_MS, QueueStreams } from './queue-streams.ts';
import { ServerClock } from './server-clock.ts';
import { StartLedger } from './start-ledger.ts';
import { Subscription } from './subscription.ts';

/** What a message may need beside its payload: headers of a job, and how it died. */
const HEADER_ROOM = 65_536;
const DEATH_ROOM = 16_384;
/** What a NATS server takes unless it is told otherwise. */
const USUAL_MAX_PAYLOAD = 1_048_576;
/** How many jobs of a batch are on their way at once. */
const WINDOW = 500;
/** For how long to send a job again whose answer got lost, in milliseconds: well within the time that the server knows its id. */
const RESEND_MS = DEDUPE_MS / 2;

interface Queue {
  readonly name: string;
  readonly streams: QueueStreams;
  readonly dead: DeadStream;
  readonly ledger: StartLedger;
  readonly clock: ServerClock;
}

/** The engine behind `nats:`. */
export class NatsDriver implements JobDriver {
  readonly dead: DeadLetterStore = {
    list: (queue, { limit, cursor }) => this.#with(queue, ({ dead }) => dead.list(limit, cursor)),
    requeue: (queue, id, admission) => this.#with(queue, (one) => this.#requeue(one, id, admission)),
    remove: (queue, id) =>
      this.#with(queue, async ({ dead }) => {
        const letter = await dead.find(id);
        return letter !== undefined && (await dead.remove(letter.seq));
      }),
  };
  readonly #location: Location;
  readonly #queues: Map<string, Promise<Queue>> = new Map<string, Promise<Queue>>();
  readonly #subscriptions: Set<Subscription> = new Set<Subscription>();
  /** What a batch that was refused half-way has accepted. */
  readonly #accepted: WeakMap<WireJob, EnqueueResult> = new WeakMap<WireJob, EnqueueResult>();
  #capabilities: JobCapabilities = capabilitiesOf(USUAL_MAX_PAYLOAD);
  #maxPayload = USUAL_MAX_PAYLOAD;
  #link: Link | undefined;

  constructor(location: Location) {
    this.#location = location;
  }

  get capabilities(): JobCapabilities {
    return this.#capabilities;
  }

  async open({ signal }: CallOptions): Promise<void> {
    if (this.#link !== undefined) return;
    const link = await Link.open(this.#location, signal);
    this.#maxPayload = link.client.connection.info?.max_payload ?? USUAL_MAX_PAYLOAD;
    this.#capabilities = capabilitiesOf(this.#maxPayload);
    this.#link = link;
  }

  async enqueue(
    queue: string,
    jobs: readonly WireJob[],
    { signal }: JobAdmission,
  ): Promise<readonly EnqueueResult[]> {
    return this.#with(queue, async (one) => {
      const results: EnqueueResult[] = [];
      for (let from = 0; from < jobs.length; from += WINDOW) {
        const window = jobs.slice(from, from + WINDOW);
        const settled = await Promise.allSettled(window.map((job) => this.#accept(one, job, signal)));
        const refused = settled.filter((answer) => answer.status === 'rejected').map(({ reason }) => reason);
        // that some are not known to be accepted says more than that there is no room
        if (refused.length > 0)
          throw refused.find((error) => !(error instanceof QueueFullError)) ?? refused[0];
        for (const answer of settled) if (answer.status === 'fulfilled') results.push(answer.value);
      }
      return results;
    });
  }

  async consume(
    queue: string,
    options: JobSubscribeOptions,
    deliver: (delivery: JobDelivery) => void,
  ): Promise<AsyncDisposable> {
    return this.#with(queue, async ({ streams, dead, ledger, clock }) => {
      const link = this.#connected();
      const ended = (subscription: Subscription): void => void this.#subscriptions.delete(subscription);
      const subscription = new Subscription(
        { queue, link, streams, dead, ledger, clock, ended },
        options,
        deliver,
      );
      this.#subscriptions.add(subscription);
      try {
        await subscription.join();
      } catch (error) {
        await subscription[Symbol.asyncDispose]();
        throw error;
      }
      return subscription;
    });
  }

  /** The depth, which the server knows, but not its parts: what is delayed was delivered, for the server, and waits to be so again. */
  async counts(queue: string): Promise<Stats> {
    return this.#with(queue, async ({ streams, dead }) => {
      const [depth, letters] = await Promise.all([streams.depth(), dead.count()]);
      return { depth, dead: letters };
    });
  }

  async queues(): Promise<readonly string[]> {
    const link = this.#connected();
    const found: string[] = [];
    try {
      const list = link.client.manager.streams.list(allJobs(this.#location.namespace));
      for (;;) {
        const page = await link.ask(() => list.next());
        if (page.length === 0) return found.toSorted();
        found.push(...page.map(({ config }) => config.description ?? config.name));
      }
    } catch (error) {
      throw translate(error);
    }
  }

  async close(): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    this.#queues.clear();
    for (const subscription of this.#subscriptions) subscription.abandon();
    await link.close();
  }

  /** Hands one job to the server, again where the answer got lost: the server knows its id. */
  async #accept(queue: Queue, job: WireJob, signal: AbortSignal | undefined): Promise<EnqueueResult> {
    const known = this.#accepted.get(job);
    if (known !== undefined) return known;
    const meta = encodeJob(job);
    const size = meta.length + DEATH_ROOM + Buffer.byteLength(job.body);
    if (size > this.#maxPayload || meta.length > HEADER_ROOM - DEATH_ROOM)
      throw new PayloadTooLargeError(size, this.#maxPayload);
    const result = await this.#publish(queue, job, meta, tokenOf(job.id), signal);
    this.#accepted.set(job, result);
    return result;
  }

  async #publish(
    { name, streams }: Queue,
    job: WireJob,
    meta: string,
    msgID: string,
    signal: AbortSignal | undefined,
  ): Promise<EnqueueResult> {
    const link = this.#connected();
    const { stream, newHeaders } = link.client;
    const { subject } = streams.names.jobs;
    const startedAt = now();
    let lost = false;
    for (;;) {
      try {
        const headers = writeHeaders(newHeaders(), meta);
        const { duplicate } = await link.ask(() => stream.publish(subject, job.body, { headers, msgID }));
        if (!duplicate) return { status: 'enqueued', id: job.id };
        // perhaps of an earlier job, perhaps of this one
        return { status: lost ? 'accepted' : 'duplicate', id: job.id };
      } catch (error) {
        if (isFull(error)) throw new QueueFullError(name, streams.limit);
        if (codeOf(error) === CODES.messageTooLarge)
          throw new PayloadTooLargeError(Buffer.byteLength(job.body), this.#maxPayload);
        lost ||= isUnanswered(error);
        if (!lost || (link.up && !isUnanswered(error) && !isUnheard(error))) throw error;
        if (isUnheard(error)) await sleep(100, { signal });
      }
      const leftMs = startedAt + RESEND_MS - now();
      const back =
        leftMs > 0 &&
        (await link.whenUp(signal, leftMs).then(
          () => true,
          () => false,
        ));
      signal?.throwIfAborted();
      if (!back) throw new EnqueueTimeoutError(name, Math.round(now() - startedAt));
    }
  }

  async #requeue(queue: Queue, id: string, { signal }: JobAdmission): Promise<boolean> {
    const letter = await queue.dead.find(id);
    if (letter === undefined) return false;
    const job = { ...letter.job, delayMs: 0, enqueuedAt: Date.now() };
    // the id itself may still be known; the letter's number keeps two calls from making two jobs of it
    await this.#publish(queue, job, encodeJob(job), `_letter.${letter.seq}`, signal);
    return queue.dead.remove(letter.seq);
  }

  async #with<T>(name: string, work: (queue: Queue) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#queue(name));
    } catch (error) {
      // whatever was deleted by hand is made again at the next use
      if (isUnheard(error) || codeOf(error) === CODES.streamNotFound) this.#queues.delete(name);
      throw translate(error);
    }
  }

  #queue(name: string): Promise<Queue> {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const opening = this.#openQueue(name);
    this.#queues.set(name, opening);
    opening.catch(() => this.#queues.delete(name));
    return opening;
  }

  async #openQueue(name: string): Promise<Queue> {
    const link = this.#connected();
    const { namespace, replicas } = this.#location;
    const names = namesOf(namespace, name);
    const streams = await QueueStreams.open(link, this.#location, name, names);
    return {
      name,
      streams,
      dead: new DeadStream(link, names.dead),
      ledger: new StartLedger(link, namespace, names.starts, replicas),
      clock: new ServerClock(link, names.dead.stream),
    };
  }

  #connected(): Link {
    if (this.#link === undefined) throw new EngineUnavailableError('The NATS driver is not open');
    return this.#link;
  }
}

function capabilitiesOf(maxPayload: number): JobCapabilities {
  return {
    reach: 'network',
    delivery: 'at-least-once',
    durability: 'server-config',
    crashDetection: 'lease',
    leaseClock: 'server',
    delayClock: 'server',
    delay: 'emulated',
    priority: 'none',
    dedupe: { scope: 'window', windowMs: DEDUPE_MS, reported: true },
    order: 'fifo-single-consumer',
    backpressure: 'sampled',
    pause: 'consumer',
    atomicBatch: false,
    counts: ['dead'],
    maxPayloadBytes: Math.max(maxPayload - HEADER_ROOM, Math.floor(maxPayload / 2)),
    transactionalEnqueue: false,
  };
}
