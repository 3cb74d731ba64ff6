/**
 * One batch on its way from the table to the queue: as a whole, or row by row where one of them can never be taken. Whatever
 * happens, each row ends up deleted with the queue having it, set aside, or given back.
 */
import { isHoldfastError, type EnqueueOptions, type JobInput, type JobQueue } from '@holdfast/core';
import { EXECUTION, Execution, failureOf, now } from '@holdfast/core/internal';
import { toInput, type OutboxRow } from './outbox-row.ts';
import type { HeldRows, RefusedRow } from './outbox-table.ts';

/** Hands rows to one queue. */
export class HandOver<T> {
  /** The service that owns the forwarder: its rows may come into the queue while it drains. */
  owner: object | undefined;
  /** Rows that the queue has taken. */
  forwarded = 0;
  /** Those of them that it had before. */
  duplicates = 0;
  /** Rows that it can never take. */
  refused = 0;
  readonly #queue: JobQueue<T>;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;

  constructor(queue: JobQueue<T>, timeoutMs: number, signal: AbortSignal) {
    this.#queue = queue;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
  }

  /** Hands `held` over, and says how many the queue took; rejects with what kept it from more, after they were given back. */
  async run(held: HeldRows, setAside: (refused: readonly RefusedRow[]) => void): Promise<number> {
    const { rows } = held;
    const until = now() + this.#timeoutMs;
    try {
      await this.#enqueue(rows.map((row) => toInput<T>(row)));
    } catch (error) {
      if (isFault(error)) return this.#runSingly(held, until, setAside);
      await held.settle([], []);
      throw error;
    }
    await held.settle(rows, []);
    return rows.length;
  }

  /** Whether `error` says that the queue takes nothing any more. */
  isOver(error: unknown): boolean {
    return isHoldfastError(error, 'QUEUE_CLOSED') || isHoldfastError(error, 'SHUTTING_DOWN');
  }

  /** Begins with no row after `until`: whoever holds many for too long loses all of them, and would never come to an end. */
  async #runSingly(
    held: HeldRows,
    until: number,
    setAside: (refused: readonly RefusedRow[]) => void,
  ): Promise<number> {
    const forwarded: OutboxRow[] = [];
    const refused: RefusedRow[] = [];
    let stop: { readonly error: unknown } | undefined;
    for (const row of held.rows) {
      try {
        await this.#enqueue([toInput<T>(row)]);
        forwarded.push(row);
      } catch (error) {
        if (!isFault(error)) {
          stop = { error };
          break;
        }
        refused.push({ row, error: failureOf(error) });
      }
      if (now() >= until) break;
    }
    await held.settle(forwarded, refused);
    this.refused += refused.length;
    setAside(refused);
    if (stop !== undefined) throw stop.error;
    return forwarded.length;
  }

  async #enqueue(jobs: readonly JobInput<T>[]): Promise<void> {
    const options: EnqueueOptions & { readonly [EXECUTION]: Execution } = {
      signal: this.#signal,
      timeoutMs: this.#timeoutMs,
      [EXECUTION]: new Execution(undefined, this.owner),
    };
    const results = await this.#queue.enqueueMany(jobs, options);
    this.forwarded += results.length;
    this.duplicates += results.filter(({ status }) => status === 'duplicate').length;
  }
}

const FAULTS: ReadonlySet<unknown> = new Set<unknown>([
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED',
  'ERR_INVALID_ARG_TYPE',
  'ERR_OUT_OF_RANGE',
]);

/** Whether it is the row's fault: then trying again cannot help. */
function isFault(error: unknown): boolean {
  return error instanceof SyntaxError || FAULTS.has(Reflect.get(Object(error), 'code'));
}
