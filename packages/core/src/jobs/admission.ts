/**
 * Admission to a job queue: whoever finds it full waits in line, first come, first served, and asks the engine again when there
 * may be room. The engine decides; nobody overtakes the line, and of those in it only the first ever asks. The trap: calls that
 * are made while an earlier one is still being asked for do not wait for its answer, so at the moment a queue fills up the engine
 * may take a later one; whoever is refused then stands in the place of its call.
 */
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { QueueFullError } from '../errors/queue-errors.ts';
import { now } from '../runtime.ts';
import { WaitLine, Waiter } from '../signal/wait-line.ts';
import type { CallOptions } from '../signal/work-context.ts';

/** How a queue admits. */
export interface AdmissionOptions {
  readonly queue: string;
  readonly maxDepth: number;
  /** How many jobs may be waiting or being handed over at once. */
  readonly maxPending: number;
  readonly overflow: 'wait' | 'reject';
  /** How often to look for room that others made, in milliseconds; 0 where nobody else can. */
  readonly pollMs: number;
  /** A call is over, admitted or not. */
  settled(): void;
}

/** How long one call may wait for room. */
export interface AdmissionWait extends CallOptions {
  readonly maxWaitMs: number;
}

/** The door of one job queue, and the line before it. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #line: WaitLine<Turn> = new WaitLine<Turn>();
  readonly #room: RoomEstimate = new RoomEstimate();
  #tickets = 0;
  #pending = 0;
  /** Somebody out of the line is asking. */
  #asking = false;
  /** Something happened since the last refusal that may have made room. */
  #mayFit = false;
  #poll: ReturnType<typeof setTimeout> | undefined;
  #ended: { readonly error: unknown } | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** How many jobs can come in together at most. */
  get largestBatch(): number {
    return Math.min(this.#options.maxDepth, this.#options.maxPending);
  }

  /** How many jobs are waiting for room or being handed to the engine. */
  get pending(): number {
    return this.#pending;
  }

  /** How many calls stand in line. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Runs `ask`, which hands `count` jobs to the engine, and again after each QUEUE_FULL as long as `wait` allows. */
  async enter<R>(count: number, wait: AdmissionWait, ask: () => Promise<R>): Promise<R> {
    const { maxPending } = this.#options;
    if (this.#pending + count > maxPending) throw this.full();
    this.#tickets += 1;
    const turn = new Turn(this, this.#tickets, count, wait);
    this.#pending += count;
    try {
      if (this.#line.size > 0 || this.#asking) await this.#stand(turn);
      for (;;) {
        try {
          return await ask();
        } catch (error) {
          if (!isHoldfastError(error, 'QUEUE_FULL')) throw error;
        }
        await this.#stand(turn);
      }
    } finally {
      this.#pending -= count;
      if (turn.called) {
        this.#asking = false;
        this.#mayFit = true;
        this.#callNext();
      }
      this.#options.settled();
    }
  }

  /** `count` jobs are finished: there may be room. */
  leave(count: number): void {
    this.#room.note(count);
    this.wake();
  }

  /** There may be room. */
  wake(): void {
    this.#mayFit = true;
    this.#callNext();
  }

  /** Rejects everybody in line, and whoever would have to stand in it from now on. */
  end(error: unknown): void {
    this.#ended = { error };
    for (let turn = this.#line.shift(); turn !== undefined; turn = this.#line.shift()) turn.reject?.(error);
    this.#watch();
  }

  /** The refusal, with a guess when there will be room. */
  full(): QueueFullError {
    return new QueueFullError(
      this.#options.queue,
      this.#options.maxDepth,
      this.#room.afterMs(this.#line.size + 1),
    );
  }

  /** `turn` left the line without being called: whoever is first now may want less room. */
  left(turn: Turn): void {
    const { first } = this.#line;
    if (first !== undefined && first.ticket > turn.ticket && first.count < turn.count) this.wake();
    this.#watch();
  }

  #stand(turn: Turn): Promise<void> {
    if (turn.called) {
      turn.called = false;
      this.#asking = false;
    }
    const maxWaitMs = this.#options.overflow === 'reject' ? 0 : turn.remainingMs;
    const refusal = this.#refusal(turn.wait.signal, maxWaitMs);
    if (refusal !== undefined) {
      this.#callNext();
      return Promise.reject(refusal.error);
    }
    return new Promise((resolve, reject) => {
      turn.resolve = resolve;
      turn.reject = reject;
      const next = this.#after(turn);
      if (next === undefined) this.#line.join(turn, turn.wait, maxWaitMs);
      else this.#line.joinBefore(next, turn, turn.wait, maxWaitMs);
      this.#callNext();
      this.#watch();
    });
  }

  /** Why somebody cannot stand in line. */
  #refusal(signal: AbortSignal | undefined, maxWaitMs: number): { readonly error: unknown } | undefined {
    if (this.#ended !== undefined) return this.#ended;
    if (signal?.aborted) return { error: signal.reason };
    return maxWaitMs > 0 ? undefined : { error: this.full() };
  }

  /** Who came after `turn` and is in line already. */
  #after(turn: Turn): Turn | undefined {
    const { last } = this.#line;
    if (last === undefined || last.ticket < turn.ticket) return undefined;
    let next = this.#line.first;
    while (next !== undefined && next.ticket < turn.ticket) next = next.following;
    return next;
  }

  #callNext(): void {
    if (this.#asking || !this.#mayFit) return;
    const turn = this.#line.shift();
    if (turn === undefined) return;
    this.#asking = true;
    this.#mayFit = false;
    turn.called = true;
    turn.resolve?.();
    this.#watch();
  }

  /** Looks for room from time to time while somebody waits. */
  #watch(): void {
    const { pollMs } = this.#options;
    if (this.#line.size === 0) {
      clearTimeout(this.#poll);
      this.#poll = undefined;
    } else if (pollMs > 0 && this.#poll === undefined) {
      this.#poll = setTimeout(() => {
        this.#poll = undefined;
        this.wake();
        this.#watch();
      }, pollMs);
    }
  }
}

/** One call's place in line. */
class Turn extends Waiter {
  readonly ticket: number;
  readonly count: number;
  readonly wait: AdmissionWait;
  /** It was called to ask, and has not stood in line again. */
  called = false;
  resolve: (() => void) | undefined;
  reject: ((error: unknown) => void) | undefined;
  readonly #admission: Admission;
  readonly #until: number;

  constructor(admission: Admission, ticket: number, count: number, wait: AdmissionWait) {
    super();
    this.#admission = admission;
    this.ticket = ticket;
    this.count = count;
    this.wait = wait;
    this.#until = wait.maxWaitMs === Infinity ? Infinity : now() + wait.maxWaitMs;
  }

  get remainingMs(): number {
    return this.#until === Infinity ? Infinity : this.#until - now();
  }

  /** Neighbours in this line are of its kind. */
  get following(): Turn | undefined {
    return this.next as Turn | undefined;
  }

  giveUp(error: unknown): void {
    this.reject?.(error);
    this.#admission.left(this);
  }

  late(): void {
    this.giveUp(this.#admission.full());
  }
}

const MIN_GUESS_MS = 100;
const MAX_GUESS_MS = 30_000;

/** When room is likely, from the pace at which jobs finish here. */
class RoomEstimate {
  #last: number | undefined;
  #intervalMs: number | undefined;

  note(count: number): void {
    const at = now();
    if (this.#last !== undefined && count > 0) {
      const intervalMs = Math.min(at - this.#last, MAX_GUESS_MS) / count;
      this.#intervalMs =
        this.#intervalMs === undefined ? intervalMs : 0.8 * this.#intervalMs + 0.2 * intervalMs;
    }
    this.#last = at;
  }

  afterMs(ahead: number): number {
    if (this.#intervalMs === undefined) return 1_000;
    return Math.ceil(Math.min(Math.max(this.#intervalMs * ahead, MIN_GUESS_MS), MAX_GUESS_MS));
  }
}
