/**
 * What is asked of the table of jobs. Each statement finds its rows by one of the partial indexes; a test holds it to that. An outcome
 * is fenced by the row and the number of the claim.
 */
import { DEAD, DELAYED, LEASED, READY } from './schema.ts';

/** Names of the statements. */
export type JobStatement =
  | 'insert'
  | 'present'
  | 'depth'
  | 'highest'
  | 'promoteDelayed'
  | 'promoteLeased'
  | 'claim'
  | 'peek'
  | 'renew'
  | 'remove'
  | 'again'
  | 'giveBack'
  | 'setPaused'
  | 'counts';

const OURS = `seq = ? AND claims = ? AND state = ${LEASED}`;

function firstOf(column: string, priority: number): string {
  return `(SELECT ${column} FROM holdfast_jobs
    WHERE queue = ?1 AND state = ${READY} AND priority = ${priority} ORDER BY position LIMIT 1)`;
}

function highestOf(priority: number): string {
  return `(SELECT max(position) FROM holdfast_jobs WHERE queue = ?1 AND state = ${READY} AND priority = ${priority})`;
}

function countOf(state: number): string {
  return `(SELECT count(*) FROM holdfast_jobs WHERE queue = ?1 AND state = ${state})`;
}

/** Every statement. */
export const JOB_SQL: Readonly<Record<JobStatement, string>> = {
  insert: `INSERT INTO holdfast_jobs
    (queue, id, state, priority, position, due_at, max_retries, delay_ms, enqueued_at, headers, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  present: `SELECT 1 FROM holdfast_jobs WHERE queue = ? AND id = ? AND state < ${DEAD}`,
  depth: 'SELECT depth FROM holdfast_queues WHERE name = ?',
  highest: `SELECT max(coalesce(${highestOf(0)}, 0), coalesce(${highestOf(1)}, 0), coalesce(${highestOf(2)}, 0),
    coalesce((SELECT max(position) FROM holdfast_jobs WHERE queue = ?1 AND state = ${DEAD}), 0)) AS highest`,
  promoteDelayed: `UPDATE holdfast_jobs SET state = ${READY}
    WHERE queue = ? AND state = ${DELAYED} AND due_at <= ?`,
  promoteLeased: `UPDATE holdfast_jobs SET state = ${READY}
    WHERE queue = ? AND state = ${LEASED} AND due_at <= ?`,
  claim: `UPDATE holdfast_jobs SET state = ${LEASED}, starts = starts + 1, claims = claims + 1, due_at = ?1
    WHERE seq IN (SELECT seq FROM holdfast_jobs WHERE queue = ?2 AND state = ${READY}
      AND (SELECT paused FROM holdfast_queues WHERE name = ?2) = 0
      ORDER BY priority, position, seq LIMIT ?3)
    RETURNING seq, id, priority, position, starts, claims, max_retries, delay_ms, enqueued_at, headers, body`,
  peek: `SELECT paused,
    EXISTS (SELECT 1 FROM holdfast_jobs WHERE queue = ?1 AND state = ${READY}) AS ready,
    (SELECT min(due_at) FROM holdfast_jobs WHERE queue = ?1 AND state = ${DELAYED}) AS delayed,
    (SELECT min(due_at) FROM holdfast_jobs WHERE queue = ?1 AND state = ${LEASED}) AS leased
    FROM holdfast_queues WHERE name = ?1`,
  renew: `UPDATE holdfast_jobs SET due_at = ? WHERE ${OURS}`,
  remove: `DELETE FROM holdfast_jobs WHERE ${OURS}`,
  again: `UPDATE holdfast_jobs SET state = ?, due_at = ?, position = ?, starts = starts - ? WHERE ${OURS}`,
  giveBack: `UPDATE holdfast_jobs SET state = ${READY}, due_at = 0, starts = starts - 1 WHERE ${OURS}`,
  setPaused: 'UPDATE holdfast_queues SET paused = ? WHERE name = ?',
  counts: `SELECT ${countOf(READY)} AS waiting, ${countOf(DELAYED)} AS delayed, ${countOf(LEASED)} AS active,
    ${countOf(DEAD)} AS dead, paused,
    (SELECT min(oldest) FROM (SELECT ${firstOf('enqueued_at', 0)} AS oldest
      UNION ALL SELECT ${firstOf('enqueued_at', 1)} UNION ALL SELECT ${firstOf('enqueued_at', 2)})) AS oldest
    FROM holdfast_queues WHERE name = ?1`,
};
