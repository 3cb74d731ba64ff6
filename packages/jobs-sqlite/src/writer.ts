/**
 * All writing goes through here: what comes up in one turn of the event loop is one transaction, so that many small writes pay for
 * one commit. Each piece of work is kept or undone as a whole and alone. Where another process holds the lock the work waits its
 * turn without blocking this one.
 */
import { EngineUnavailableError, isHoldfastError, type QueueFullError } from '@holdfast/core';
import type { Database } from './binding.ts';
import { isBusy, translate } from './sqlite-errors.ts';

/** Longest batch: a transaction must not hold the event loop for long. */
const MAX_BATCH = 256;
/** Pauses while the file is locked, in milliseconds: doubled from the first to the last. */
const MIN_PAUSE_MS = 1;
const MAX_PAUSE_MS = 32;

/**
 * Work on the database; synchronous, and without effects elsewhere, since it may be run again. A QueueFullError must come before the
 * work has changed anything.
 */
export type Write<T> = () => T;

interface Piece {
  readonly run: () => void;
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
  refusal: QueueFullError | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Writes to one database. */
export class Writer {
  readonly #db: Database;
  #pieces: Piece[] = [];
  #immediate: ReturnType<typeof setImmediate> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = MIN_PAUSE_MS;
  #closed = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Runs `work` in a transaction soon; resolves when it is committed. Work whose `signal` aborts before is not done. */
  run<T>(work: Write<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      let result: T;
      this.#pieces.push({
        run: () => {
          result = work();
        },
        done: () => resolve(result),
        fail: reject,
        refusal: undefined,
        signal,
      });
      this.#schedule();
    });
  }

  /** Commits what there is, and takes no more. What cannot be committed now is rejected. */
  close(): void {
    this.#closed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    while (this.#pieces.length > 0 && this.#flush());
    for (const { fail } of this.#pieces) fail(closedError());
    this.#pieces = [];
  }

  #schedule(): void {
    if (this.#immediate !== undefined || this.#timer !== undefined) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#flushAndGoOn();
    });
  }

  #flushAndGoOn(): void {
    const written = this.#flush();
    if (this.#pieces.length === 0) return;
    if (written) {
      this.#schedule();
      return;
    }
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#flushAndGoOn();
      },
      this.#pauseMs * (0.5 + Math.random()),
    );
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }

  /** Writes the next batch; false where the file is locked. */
  #flush(): boolean {
    const batch: Piece[] = [];
    for (const piece of this.#pieces.splice(0, MAX_BATCH)) {
      if (piece.signal?.aborted) piece.fail(piece.signal.reason);
      else batch.push(piece);
    }
    if (batch.length === 0) return true;
    try {
      this.#commit(batch);
    } catch (error) {
      if (isBusy(error)) {
        this.#pieces.unshift(...batch);
        return false;
      }
      if (batch.length === 1) batch[0]?.fail(translate(error));
      // one of them failed: each on its own, and only that one is rejected
      else this.#flushAlone(batch);
      return true;
    }
    this.#pauseMs = MIN_PAUSE_MS;
    for (const piece of batch) settle(piece);
    return true;
  }

  #flushAlone(batch: readonly Piece[]): void {
    const rest = [...batch];
    for (let piece = rest.shift(); piece !== undefined; piece = rest.shift()) {
      try {
        this.#commit([piece]);
      } catch (error) {
        if (isBusy(error)) {
          this.#pieces.unshift(piece, ...rest);
          return;
        }
        piece.fail(translate(error));
        continue;
      }
      settle(piece);
    }
  }

  #commit(batch: readonly Piece[]): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const piece of batch) this.#run(piece);
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** A refusal has changed nothing, so the others need not be undone for it. */
  #run(piece: Piece): void {
    piece.refusal = undefined;
    try {
      piece.run();
    } catch (error) {
      if (!isHoldfastError(error, 'QUEUE_FULL')) throw error;
      piece.refusal = error;
    }
  }

  /** Some errors have rolled back already. */
  #rollback(): void {
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // there is no transaction any more
    }
  }
}

function settle({ refusal, fail, done }: Piece): void {
  if (refusal === undefined) done();
  else fail(refusal);
}

function closedError(): EngineUnavailableError {
  return new EngineUnavailableError('The SQLite driver is closed');
}
