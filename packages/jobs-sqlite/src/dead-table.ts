/** The dead letters of one queue as SQL. A letter keeps its job's row; its `position` is when it died, and serves as the cursor. */
import type { DeadJob, JobFailure } from '@holdfast/core';
import type { Database, Row, Statement } from './binding.ts';
import type { Claim, JobTable } from './job-table.ts';
import { DEAD, LEASED, READY } from './schema.ts';

/** Dead letters of one queue. */
export class DeadTable {
  readonly #queue: string;
  readonly #jobs: JobTable;
  readonly #replace: Statement;
  readonly #bury: Statement;
  readonly #list: Statement;
  readonly #revivable: Statement;
  readonly #revive: Statement;
  readonly #remove: Statement;

  constructor(db: Database, queue: string, jobs: JobTable) {
    this.#queue = queue;
    this.#jobs = jobs;
    this.#replace = db.prepare(
      `DELETE FROM holdfast_jobs WHERE queue = ?1 AND state = ${DEAD} AND id = ?2
       AND EXISTS (SELECT 1 FROM holdfast_jobs WHERE seq = ?3 AND claims = ?4 AND state = ${LEASED})`,
    );
    this.#bury = db.prepare(
      `UPDATE holdfast_jobs SET state = ${DEAD}, position = ?, starts = min(starts, max_retries + 1),
       died_at = ?, error_name = ?, error_message = ? WHERE seq = ? AND claims = ? AND state = ${LEASED}`,
    );
    this.#list = db.prepare(
      `SELECT id, body, starts, died_at, error_name, error_message, position FROM holdfast_jobs
       WHERE queue = ? AND state = ${DEAD} AND position > ? ORDER BY position LIMIT ?`,
    );
    this.#revivable = db.prepare(
      `SELECT 1 FROM holdfast_jobs WHERE queue = ?1 AND id = ?2 AND state = ${DEAD}
       AND NOT EXISTS (SELECT 1 FROM holdfast_jobs WHERE queue = ?1 AND id = ?2 AND state < ${DEAD})`,
    );
    // a row of its own: a worker that still believes to hold the old one must not settle the new
    this.#revive = db.prepare(
      `INSERT INTO holdfast_jobs (queue, id, state, priority, position, due_at, max_retries, delay_ms, enqueued_at, headers, body)
       SELECT queue, id, ${READY}, priority, ?, 0, max_retries, 0, ?, headers, body
       FROM holdfast_jobs WHERE queue = ? AND id = ? AND state = ${DEAD}`,
    );
    this.#remove = db.prepare(`DELETE FROM holdfast_jobs WHERE queue = ? AND id = ? AND state = ${DEAD}`);
  }

  /** The job failed for good; an earlier death of the same id gives way. */
  bury({ job, seq, claims }: Claim, { name, message }: JobFailure): void {
    this.#replace.run(this.#queue, job.id, seq, claims);
    this.#bury.run(this.#jobs.nextPosition(), Date.now(), name, message, seq, claims);
  }

  list(limit: number, cursor: string | undefined): readonly DeadJob<string>[] {
    return this.#list.all(this.#queue, Number(cursor ?? 0), limit).map(letterOf);
  }

  /** False where there is no such letter, or its id is present. Throws QueueFullError where there is no room. */
  requeue(id: string, maxDepth: number): boolean {
    if (this.#revivable.get(this.#queue, id) === undefined) return false;
    this.#jobs.checkRoomForOne(maxDepth);
    this.#revive.run(this.#jobs.nextPosition(), Date.now(), this.#queue, id);
    return this.remove(id);
  }

  remove(id: string): boolean {
    return Number(this.#remove.run(this.#queue, id).changes) === 1;
  }
}

function letterOf(row: Row): DeadJob<string> {
  return {
    id: String(row['id']),
    payload: String(row['body']),
    attempts: Number(row['starts']),
    diedAt: new Date(Number(row['died_at'])),
    error: { name: String(row['error_name']), message: String(row['error_message']) },
    cursor: String(row['position']),
  };
}
