/**
 * The streams of one queue: a work-queue stream of its jobs, which forgets what is acknowledged, with one consumer that all workers
 * share; and a stream of its dead letters, one for each id. What is there already is taken as it is, if it keeps jobs safely. The
 * trap: a stream with a limit drops its oldest jobs when the limit is lowered, and before 2.10.6 when its server was killed.
 */
import { UnsafeEngineError } from '@holdfast/core';
import type { ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { deleteUpTo } from './ghosts.ts';
import type { Link } from './link.ts';
import type { Location } from './location.ts';
import type { QueueNames } from './names.ts';
import { CODES, codeOf } from './nats-errors.ts';
import { isOlder, type Version } from './version.ts';

/** For how long an id keeps a second job out, in milliseconds. */
export const DEDUPE_MS = 120_000;
/** The consumer that all workers of a queue share. */
export const CONSUMER = 'workers';
/** How many requests for jobs may wait at the server. */
const MAX_WAITING = 10_000;
const NANOS = 1_000_000;
/** The first version that drops no job of a limited stream, whatever it finds on disk after a crash. */
const KEEPS_LIMITED: Version = [2, 10, 6];

/** The set-up of one queue. */
export class QueueStreams {
  readonly names: QueueNames;
  /** How many jobs somebody else has told the stream to take, or `Infinity`. */
  readonly limit: number;
  readonly #link: Link;
  readonly #replicas: number;

  private constructor(link: Link, names: QueueNames, replicas: number, limit: number) {
    this.#link = link;
    this.names = names;
    this.#replicas = replicas;
    this.limit = limit;
  }

  /** Makes the streams where they are missing. */
  static async open(
    link: Link,
    { replicas }: Location,
    queue: string,
    names: QueueNames,
  ): Promise<QueueStreams> {
    const shared = { storage: 'file', num_replicas: replicas, description: queue } as const;
    const { jobs, dead } = names;
    const jobStream = await streamOf(link, {
      ...shared,
      name: jobs.stream,
      subjects: [jobs.subject],
      retention: 'workqueue',
      discard: 'new',
      duplicate_window: DEDUPE_MS * NANOS,
    });
    await streamOf(link, {
      ...shared,
      name: dead.stream,
      subjects: [`${dead.prefix}.*`],
      max_msgs_per_subject: 1,
    });
    checkSafe(jobStream.config, link.version);
    const { max_msgs: limit } = jobStream.config;
    return new QueueStreams(link, names, replicas, limit > 0 ? limit : Infinity);
  }

  /**
   * How many jobs there are: what the consumer has not yet delivered, and what it waits for. A server that was killed may have kept
   * a message on disk of which it remembers that it is done; that one is not counted.
   */
  async depth(): Promise<number> {
    const info = await this.#find();
    if (info !== undefined) return info.num_pending + info.num_ack_pending;
    const { manager } = this.#link.client;
    const { state } = await this.#link.ask(() => manager.streams.info(this.names.jobs.stream));
    return state.messages;
  }

  /** Deletes what lies before everything that is unfinished; the number of the first message that is left, or would be the next. */
  async clear(): Promise<number> {
    const info = await this.#find();
    return deleteUpTo(this.#link, this.names.jobs.stream, info?.ack_floor.stream_seq ?? 0);
  }

  /**
   * Makes the consumer where it is missing, with leases of at least `leaseMs`.
   *
   * @returns how long its leases are, in milliseconds
   */
  async consumer(leaseMs: number): Promise<number> {
    const { manager } = this.#link.client;
    const { stream } = this.names.jobs;
    const leaseNanos = leaseMs * NANOS;
    const config: Partial<ConsumerConfig> = {
      durable_name: CONSUMER,
      ack_policy: 'explicit',
      ack_wait: leaseNanos,
      deliver_policy: 'all',
      max_deliver: -1,
      // delayed jobs count as unacknowledged
      max_ack_pending: -1,
      max_waiting: MAX_WAITING,
      num_replicas: this.#replicas,
    };
    let info =
      (await this.#findUsable()) ?? (await this.#link.ask(() => manager.consumers.add(stream, config)));
    // a shorter lease than the consumer's is set for each delivery; a longer one must be the consumer's
    if ((info.config.ack_wait ?? 0) < leaseNanos)
      info = await this.#link.ask(() => manager.consumers.update(stream, CONSUMER, { ack_wait: leaseNanos }));
    return (info.config.ack_wait ?? leaseNanos) / NANOS;
  }

  /**
   * The consumer, if there is one. A server that has lost the end of the stream, but not what it knew of the consumer, would take new
   * jobs for those that were done, for as many as were lost: such a consumer is removed.
   */
  async #findUsable(): Promise<ConsumerInfo | undefined> {
    const info = await this.#find();
    if (info === undefined) return undefined;
    const { manager } = this.#link.client;
    const { stream } = this.names.jobs;
    const { state } = await this.#link.ask(() => manager.streams.info(stream));
    if (info.delivered.stream_seq <= state.last_seq) return info;
    await this.#link.ask(() => manager.consumers.delete(stream, CONSUMER));
    return undefined;
  }

  /** The consumer, if there is one yet. */
  async #find(): Promise<ConsumerInfo | undefined> {
    const { manager } = this.#link.client;
    try {
      return await this.#link.ask(() => manager.consumers.info(this.names.jobs.stream, CONSUMER));
    } catch (error) {
      if (codeOf(error) === CODES.consumerNotFound) return undefined;
      throw error;
    }
  }
}

async function streamOf(link: Link, config: Partial<StreamConfig> & { name: string }): Promise<StreamInfo> {
  const { manager } = link.client;
  const find = (): Promise<StreamInfo> => link.ask(() => manager.streams.info(config.name));
  try {
    return await find();
  } catch (error) {
    if (codeOf(error) !== CODES.streamNotFound) throw error;
  }
  try {
    return await link.ask(() => manager.streams.add(config));
  } catch (error) {
    // somebody else was first
    if (codeOf(error) === CODES.streamExists) return find();
    throw error;
  }
}

function checkSafe(config: StreamConfig, version: Version): void {
  const { name, storage, retention, discard, max_age: maxAge } = config;
  const limited = config.max_msgs > 0 || config.max_bytes > 0;
  const wrong = [
    storage === 'file' ? '' : `storage is ${storage}, not file`,
    retention === 'workqueue' ? '' : `retention is ${retention}, not workqueue`,
    discard === 'new' ? '' : `discard is ${discard}, not new`,
    maxAge === 0 ? '' : 'messages expire (max_age)',
    limited && isOlder(version, KEEPS_LIMITED)
      ? `it is limited (max_msgs, max_bytes), and a server before ${KEEPS_LIMITED.join('.')} that is killed drops what is oldest`
      : '',
  ].filter((one) => one !== '');
  if (wrong.length > 0) throw new UnsafeEngineError(`Stream ${name} loses jobs: ${wrong.join(', ')}`);
}
