/**
 * Dead letters: a BullMQ queue beside the living one, that no worker consumes, in the order of deaths. A letter is found by its job's
 * id. It is written before its job is removed, so a crash in between leaves a job that dies once more, and never one that is gone.
 */
import type { DeadJob, DeadLetterStore, JobAdmission, WireJob } from '@holdfast/core';
import type { BullJob, BullQueue } from './bull.ts';
import { envelop, readJob, readLetter, type Death } from './envelope.ts';
import { encodeId } from './names.ts';

/** What dead letters need of their driver. */
export interface DeadLetterHost {
  /** The queue of dead letters of `queue`. */
  letters(queue: string): Promise<BullQueue>;
  /** Adds the job anew; false where its id is present. */
  revive(queue: string, job: WireJob, options: JobAdmission): Promise<boolean>;
}

/** Any delay: it puts letters where they are kept in order, and nobody waits for it. */
const DELAY_MS = 1;

/** The dead letters of one driver. */
export class BullmqDeadLetters implements DeadLetterStore {
  readonly #host: DeadLetterHost;
  #lastDeath = 0;

  constructor(host: DeadLetterHost) {
    this.#host = host;
  }

  /** Writes the letter of `job`; an earlier one of its id gives way. */
  async bury(queue: string, job: WireJob, death: Death): Promise<void> {
    const letters = await this.#host.letters(queue);
    const jobId = encodeId(job.id);
    await letters.remove(jobId);
    // no two at the same time, so that a page can end between them
    this.#lastDeath = Math.max(Date.now(), this.#lastDeath + 1);
    const data = { ...envelop(job), death: JSON.stringify(death) };
    await letters.add('dead', data, { jobId, timestamp: this.#lastDeath, delay: DELAY_MS });
  }

  async list(
    queue: string,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<readonly DeadJob<string>[]> {
    const letters = await this.#host.letters(queue);
    const found: BullJob[] = [];
    let rank = cursor === undefined ? 0 : await firstAfter(letters, cursor);
    // those of one instant may be kept in any order, so a page ends where an instant does before it is put in order
    while (found.length <= limit || found.at(-1)?.timestamp === found[limit - 1]?.timestamp) {
      const page = await letters.getJobs(['delayed'], rank, rank + limit - 1, true);
      for (const letter of page)
        if (letter !== undefined && (cursor === undefined || isAfter(letter, cursor))) found.push(letter);
      if (page.length < limit) break;
      rank += limit;
    }
    return found
      .toSorted(byDeath)
      .slice(0, limit)
      .map((letter) => readLetter(letter, cursorOf(letter)));
  }

  async requeue(queue: string, id: string, options: JobAdmission): Promise<boolean> {
    const letters = await this.#host.letters(queue);
    const letter = await letters.getJob(encodeId(id));
    if (letter === undefined) return false;
    const job = { ...readJob(letter), delayMs: 0, enqueuedAt: Date.now() };
    if (!(await this.#host.revive(queue, job, options))) return false;
    await letters.remove(encodeId(id));
    return true;
  }

  async remove(queue: string, id: string): Promise<boolean> {
    const letters = await this.#host.letters(queue);
    // BullMQ calls it done also where there is none
    if ((await letters.getJob(encodeId(id))) === undefined) return false;
    return (await letters.remove(encodeId(id))) === 1;
  }
}

/** Time of death, then id: what letters are ordered by. */
function cursorOf({ id = '', timestamp }: BullJob): string {
  return `${timestamp}.${id}`;
}

function byDeath(one: BullJob, other: BullJob): number {
  return one.timestamp - other.timestamp || ((one.id ?? '') < (other.id ?? '') ? -1 : 1);
}

function isAfter(letter: BullJob, cursor: string): boolean {
  const [time = '', ...rest] = cursor.split('.');
  const died = Number(time);
  return letter.timestamp > died || (letter.timestamp === died && (letter.id ?? '') > rest.join('.'));
}

/** Where the letters that died no earlier begin. */
async function firstAfter(letters: BullQueue, cursor: string): Promise<number> {
  const died = Number.parseInt(cursor, 10);
  const { delayed = 0 } = await letters.getJobCounts();
  let [low, high] = [0, delayed];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [letter] = await letters.getJobs(['delayed'], middle, middle, true);
    // one that is gone by now was there before
    if (letter === undefined || letter.timestamp >= died) high = middle;
    else low = middle + 1;
  }
  return low;
}
