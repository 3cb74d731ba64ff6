/**
 * Which deliveries were starts. The server counts deliveries, but a delivery that was given back, or that only found that a delay had
 * not ended, is no start; what is to be left out is kept here, by the job's number, until the job is finished. Most jobs are
 * delivered once and have nothing here.
 */
import type { StreamConfig } from '@nats-io/jetstream';
import type { Link } from './link.ts';
import { startsOf } from './names.ts';
import { CODES, codeOf } from './nats-errors.ts';

/** What is known of a job's deliveries up to one of them. */
export interface Starts {
  readonly deliveries: number;
  /** How many of them were starts. */
  readonly starts: number;
  /** Whether a handler, or a consumer that would not have it, was given the job. */
  readonly delivered: boolean;
}

const decoder = new TextDecoder();

/** The records of one queue. */
export class StartLedger {
  readonly #link: Link;
  readonly #stream: ReturnType<typeof startsOf>;
  readonly #prefix: string;
  readonly #replicas: number;

  constructor(link: Link, namespace: string, prefix: string, replicas: number) {
    this.#link = link;
    this.#stream = startsOf(namespace);
    this.#prefix = prefix;
    this.#replicas = replicas;
  }

  /** Keeps what is known of job `seq`, in place of what was kept before. */
  async keep(seq: number, starts: Starts): Promise<void> {
    const { stream } = this.#link.client;
    const publish = (): Promise<unknown> =>
      this.#link.ask(() => stream.publish(`${this.#prefix}.${seq}`, JSON.stringify(starts)));
    try {
      await publish();
    } catch (error) {
      if (!(error instanceof Error && error.name === 'JetStreamNotEnabled')) throw error;
      // nobody has needed it yet
      await this.#make();
      await publish();
    }
  }

  /** What is known of job `seq`. */
  async find(seq: number): Promise<Starts | undefined> {
    const { manager } = this.#link.client;
    const query = { last_by_subj: `${this.#prefix}.${seq}` };
    try {
      const message = await this.#link.ask(() => manager.streams.getMessage(this.#stream.stream, query));
      // written by `keep`
      return message === null ? undefined : (JSON.parse(decoder.decode(message.data)) as Starts);
    } catch (error) {
      if (codeOf(error) === CODES.streamNotFound) return undefined;
      throw error;
    }
  }

  /** Job `seq` is finished. */
  async forget(seq: number): Promise<void> {
    const { manager } = this.#link.client;
    await this.#link.ask(() =>
      manager.streams.purge(this.#stream.stream, { filter: `${this.#prefix}.${seq}` }),
    );
  }

  /** All jobs below `seq` are finished: a worker that was killed may not have come to say so. */
  async forgetBefore(seq: number): Promise<void> {
    const { manager } = this.#link.client;
    const query = { subjects_filter: `${this.#prefix}.*` };
    let subjects: Record<string, number> | undefined;
    try {
      ({ subjects } = (await this.#link.ask(() => manager.streams.info(this.#stream.stream, query))).state);
    } catch (error) {
      if (codeOf(error) !== CODES.streamNotFound) throw error;
    }
    for (const subject of Object.keys(subjects ?? {})) {
      const found = Number(subject.slice(this.#prefix.length + 1));
      if (found < seq) await this.forget(found);
    }
  }

  async #make(): Promise<void> {
    const { stream, subject } = this.#stream;
    const { manager } = this.#link.client;
    const config: Partial<StreamConfig> & { name: string } = {
      name: stream,
      subjects: [subject],
      storage: 'file',
      max_msgs_per_subject: 1,
      num_replicas: this.#replicas,
      description: 'Which deliveries of jobs were no starts',
    };
    try {
      await this.#link.ask(() => manager.streams.add(config));
    } catch (error) {
      // somebody else was first, with other replicas
      if (codeOf(error) !== CODES.streamExists) throw error;
    }
  }
}
