/**
 * The jobs of one queue as SQL. Everything here is synchronous and belongs into a transaction of the writer, except `peek` and
 * `counts`, which only read. An outcome is fenced by the row and the number of the claim: a worker that lost its lease changes nothing.
 */
import {
  QueueFullError,
  type EnqueueResult,
  type JobPriority,
  type Stats,
  type WireJob,
} from '@holdfast/core';
import type { Database, Row, Statement } from './binding.ts';
import { JOB_SQL, type JobStatement } from './job-sql.ts';
import { Positions, positionAt } from './positions.ts';
import { DELAYED, READY } from './schema.ts';

const PRIORITIES: readonly JobPriority[] = ['high', 'normal', 'low'];

/** A job in the hands of a worker. */
export interface Claim {
  readonly job: WireJob;
  /** Row and number of the claim: together the fence. */
  readonly seq: number;
  readonly claims: number;
  readonly starts: number;
}

/** What a consumer learns without taking a lock. */
export interface Peek {
  readonly paused: boolean;
  /** Whether a job could be claimed at once. */
  readonly ready: boolean;
  /** When the next delay or lease ends, in milliseconds since the epoch. */
  readonly dueAt: number;
}

/** One queue of one database. */
export class JobTable {
  readonly #queue: string;
  readonly #positions: Positions;
  readonly #sql: Statements;

  /** Makes the queue's own row where it is missing, so it writes. */
  constructor(db: Database, queue: string) {
    this.#queue = queue;
    db.prepare('INSERT INTO holdfast_queues (name) VALUES (?) ON CONFLICT DO NOTHING').run(queue);
    this.#sql = prepare(db);
    const { highest } = rowOf(this.#sql.highest.get(queue));
    this.#positions = new Positions(typeof highest === 'number' ? highest : 0);
  }

  /** The next place in line. */
  nextPosition(): number {
    return this.#positions.next();
  }

  /** Accepts all of `jobs`, or throws QueueFullError before anything is changed. */
  enqueue(jobs: readonly WireJob[], maxDepth: number): readonly EnqueueResult[] {
    if (maxDepth !== Infinity) this.#checkRoom(jobs, maxDepth);
    return jobs.map((job): EnqueueResult => {
      const dueAt = job.delayMs > 0 ? Date.now() + job.delayMs : 0;
      const { changes } = this.#sql.insert.run(
        this.#queue,
        job.id,
        dueAt > 0 ? DELAYED : READY,
        PRIORITIES.indexOf(job.priority),
        dueAt > 0 ? positionAt(dueAt) : this.#positions.next(),
        dueAt,
        job.maxRetries,
        job.delayMs,
        job.enqueuedAt,
        JSON.stringify(job.headers),
        job.body,
      );
      return { status: Number(changes) === 1 ? 'enqueued' : 'duplicate', id: job.id };
    });
  }

  /** Takes up to `count` jobs for `leaseMs`, best first, after giving back what lost its lease and what is due. */
  claim(count: number, leaseMs: number): readonly Claim[] {
    const at = Date.now();
    this.#sql.promoteDelayed.run(this.#queue, at);
    this.#sql.promoteLeased.run(this.#queue, at);
    const rows = this.#sql.claim.all(at + leaseMs, this.#queue, count);
    // what RETURNING returns is in no order
    return rows.toSorted(compareRows).map(claimOf);
  }

  peek(): Peek {
    const row = rowOf(this.#sql.peek.get(this.#queue));
    const dueAt = [row['delayed'], row['leased']].filter((due) => typeof due === 'number');
    return { paused: row['paused'] === 1, ready: row['ready'] === 1, dueAt: Math.min(...dueAt, Infinity) };
  }

  /** Whether the lease goes on. */
  renew({ seq, claims }: Claim, leaseMs: number): boolean {
    return Number(this.#sql.renew.run(Date.now() + leaseMs, seq, claims).changes) === 1;
  }

  /** Whether the job was still ours to remove. */
  remove({ seq, claims }: Claim): boolean {
    return Number(this.#sql.remove.run(seq, claims).changes) === 1;
  }

  /** The job becomes ready after `delayMs`, behind what is ready by then; `spent` is whether this start counts. */
  again({ seq, claims }: Claim, delayMs: number, spent: boolean): void {
    const dueAt = delayMs > 0 ? Date.now() + Math.ceil(delayMs) : 0;
    const position = dueAt > 0 ? positionAt(dueAt) : this.#positions.next();
    this.#sql.again.run(dueAt > 0 ? DELAYED : READY, dueAt, position, spent ? 0 : 1, seq, claims);
  }

  /** The job waits where it waited before, and this start does not count. */
  giveBack({ seq, claims }: Claim): void {
    this.#sql.giveBack.run(seq, claims);
  }

  setPaused(paused: boolean): void {
    this.#sql.setPaused.run(paused ? 1 : 0, this.#queue);
  }

  counts(): Stats {
    const { waiting, delayed, active, dead, paused, oldest } = rowOf(this.#sql.counts.get(this.#queue));
    return {
      waiting: Number(waiting),
      active: Number(active),
      delayed: Number(delayed),
      dead: Number(dead),
      paused: paused === 1,
      oldestAgeMs: typeof oldest === 'number' ? Math.max(0, Date.now() - oldest) : 0,
    };
  }

  /** Throws QueueFullError where there is no room for one more job. */
  checkRoomForOne(maxDepth: number): void {
    if (this.#depth() >= maxDepth) throw new QueueFullError(this.#queue, maxDepth);
  }

  #checkRoom(jobs: readonly WireJob[], maxDepth: number): void {
    const depth = this.#depth();
    if (depth + jobs.length <= maxDepth) return;
    // duplicates need no room
    const fresh = new Set<string>();
    for (const { id } of jobs) if (this.#sql.present.get(this.#queue, id) === undefined) fresh.add(id);
    if (fresh.size > 0 && depth + fresh.size > maxDepth) throw new QueueFullError(this.#queue, maxDepth);
  }

  #depth(): number {
    return Number(rowOf(this.#sql.depth.get(this.#queue))['depth']);
  }
}

type Statements = Readonly<Record<JobStatement, Statement>>;

function prepare(db: Database): Statements {
  const entries = Object.entries(JOB_SQL).map(([name, sql]) => [name, db.prepare(sql)]);
  // the same names, each with its statement
  return Object.fromEntries(entries) as Statements;
}

/** These queries always have a row. */
function rowOf(row: Row | undefined): Row {
  return row ?? {};
}

function compareRows(a: Row, b: Row): number {
  return (
    Number(a['priority']) - Number(b['priority']) ||
    Number(a['position']) - Number(b['position']) ||
    Number(a['seq']) - Number(b['seq'])
  );
}

function claimOf(row: Row): Claim {
  return {
    job: wireJobOf(row),
    seq: Number(row['seq']),
    claims: Number(row['claims']),
    starts: Number(row['starts']),
  };
}

function wireJobOf(row: Row): WireJob {
  return {
    id: String(row['id']),
    body: String(row['body']),
    // written by `enqueue`
    headers: JSON.parse(String(row['headers'])) as Readonly<Record<string, string>>,
    delayMs: Number(row['delay_ms']),
    priority: PRIORITIES[Number(row['priority'])] ?? 'normal',
    enqueuedAt: Number(row['enqueued_at']),
    maxRetries: Number(row['max_retries']),
  };
}
