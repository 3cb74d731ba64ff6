/** The dead letters of one queue: a stream that keeps the last message of each id. A letter's number is when it died, and its cursor. */
import type { DeadJob, WireJob } from '@holdfast/core';
import type { StoredMsg } from '@nats-io/jetstream';
import { decodeJob, encodeJob, writeHeaders, type Death } from './envelope.ts';
import type { Link } from './link.ts';
import { tokenOf, type QueueNames } from './names.ts';
import { CODES, codeOf } from './nats-errors.ts';

/** A letter, and where it lies. */
export interface Letter {
  readonly seq: number;
  readonly job: WireJob;
}

const encoder = new TextEncoder();

/** Dead letters of one queue. */
export class DeadStream {
  readonly #link: Link;
  readonly #names: QueueNames['dead'];

  constructor(link: Link, names: QueueNames['dead']) {
    this.#link = link;
    this.#names = names;
  }

  /** The job failed for good; an earlier death of the same id gives way. */
  async bury(job: WireJob, death: Death): Promise<void> {
    const { stream, newHeaders } = this.#link.client;
    const headers = writeHeaders(newHeaders(), encodeJob(job, death));
    await this.#link.ask(() => stream.publish(this.#subject(job.id), encoder.encode(job.body), { headers }));
  }

  async list(limit: number, cursor: string | undefined): Promise<readonly DeadJob<string>[]> {
    const { manager } = this.#link.client;
    const found: DeadJob<string>[] = [];
    let seq = Number(cursor ?? 0) + 1;
    while (found.length < limit) {
      const query = { seq, next_by_subj: `${this.#names.prefix}.*` };
      const message = await this.#link.ask(() => manager.streams.getMessage(this.#names.stream, query));
      if (message === null) break;
      found.push(letterOf(message));
      seq = message.seq + 1;
    }
    return found;
  }

  async find(id: string): Promise<Letter | undefined> {
    const { manager } = this.#link.client;
    const query = { last_by_subj: this.#subject(id) };
    const message = await this.#link.ask(() => manager.streams.getMessage(this.#names.stream, query));
    return message === null ? undefined : { seq: message.seq, job: decodeJob(storedOf(message)).job };
  }

  /** Whether the letter was still there. */
  async remove(seq: number): Promise<boolean> {
    const { manager } = this.#link.client;
    try {
      return await this.#link.ask(() => manager.streams.deleteMessage(this.#names.stream, seq, false));
    } catch (error) {
      if (codeOf(error) === CODES.messageNotDeleted) return false;
      throw error;
    }
  }

  async count(): Promise<number> {
    const { manager } = this.#link.client;
    const { state } = await this.#link.ask(() => manager.streams.info(this.#names.stream));
    return state.messages;
  }

  #subject(id: string): string {
    return `${this.#names.prefix}.${tokenOf(id)}`;
  }
}

function letterOf(message: StoredMsg): DeadJob<string> {
  const stored = storedOf(message);
  const { job, death } = decodeJob(stored);
  const { attempts, diedAt, error } = death ?? {
    attempts: 0,
    diedAt: stored.storedAt,
    error: { name: 'Error', message: 'unknown' },
  };
  return {
    id: job.id,
    payload: job.body,
    attempts,
    diedAt: new Date(diedAt),
    error,
    cursor: String(message.seq),
  };
}

function storedOf({ seq, time, header, data }: StoredMsg): Parameters<typeof decodeJob>[0] {
  return { seq, storedAt: time.getTime(), headers: header, data };
}
