/**
 * Hands the rows of an outbox to a job queue, in the order of their insertion, and lets go of each once the queue has it. It holds
 * nothing but the batch in hand: what a crash, a full queue or a shutdown interrupts is in the table, and is handed over again under
 * the same job id.
 */
import {
  backoff,
  type CallOptions,
  type Component,
  type ComponentHealth,
  type DrainOptions,
  type DrainReport,
  type JobQueue,
  type Stats,
} from '@holdfast/core';
import {
  ADOPT,
  Faults,
  IdleLine,
  call,
  emit,
  linkAbort,
  observed,
  unlinkAbort,
  type AbortListener,
  type Adoptable,
  type Door,
} from '@holdfast/core/internal';
import type { ForwardSettings } from './forward-options.ts';
import { HandOver } from './hand-over.ts';
import type { HeldRows, OutboxCounts, OutboxTable, RefusedRow } from './outbox-table.ts';
import { Rest } from './rest.ts';

/** A forwarder at work, made by `outbox.forward`; to be owned by a service, or disposed of by whoever made it. */
export interface OutboxForwarder extends Component, AsyncDisposable {
  /** Whether it takes rows. */
  readonly running: boolean;
  /** Looks for rows now, or when the pause after a failure is over. */
  wake(): void;
  /** Takes no more rows; those in hand are handed over. */
  close(): void;
  /** Waits until no row is in hand. Rows in the table need not be waited for: they are safe there. */
  drain(options?: DrainOptions): Promise<DrainReport>;
  /** Takes no more rows, and gives back those in hand. */
  cancel(reason?: unknown): void;
  /** What is in the table (`depth`, `setAside`, `oldestAgeMs`), and the totals of this forwarder. */
  stats(): Promise<Stats>;
  /** Degraded while rows cannot be handed over, are set aside, or have waited too long; down where the database does not answer. */
  health(ctx?: CallOptions): Promise<ComponentHealth>;
  /** Closes, and waits until nothing is in hand; for a database that does not answer, 2 s after that at most. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts one. `ended` is called when it takes no more. */
export function startForwarder<T>(
  queue: JobQueue<T>,
  table: OutboxTable,
  settings: ForwardSettings,
  ended: () => void,
): OutboxForwarder {
  return new Forwarder<T>(queue, table, settings, ended);
}

/** How long the database may take to count, in milliseconds. */
const COUNT_TIMEOUT_MS = 5_000;

/** How long a disposal waits for the database once nothing is in hand, or that is cancelled, in milliseconds. */
const GRACE_MS = 2_000;

class Forwarder<T> implements OutboxForwarder, Adoptable, AbortListener {
  readonly name: string;
  readonly #table: OutboxTable;
  readonly #settings: ForwardSettings;
  readonly #handOver: HandOver<T>;
  readonly #ended: () => void;
  readonly #rest: Rest = new Rest();
  readonly #faults: Faults;
  readonly #abort: AbortController = new AbortController();
  readonly #inHand: IdleLine = new IdleLine(() => this.#rows);
  readonly #backoffMs = backoff({ baseDelayMs: 100, maxDelayMs: 10_000, jitter: 'equal' });
  readonly #done: Promise<void>;
  #rows = 0;
  #failures = 0;
  #lastError: unknown;
  #closed = false;
  #watching: Disposable | undefined;
  #counting: Promise<OutboxCounts> | undefined;
  #lameDuck: AbortSignal | undefined;
  #disposing: Promise<void> | undefined;

  constructor(queue: JobQueue<T>, table: OutboxTable, settings: ForwardSettings, ended: () => void) {
    this.name = settings.name;
    this.#table = table;
    this.#settings = settings;
    this.#ended = ended;
    this.#faults = new Faults(this.name);
    this.#handOver = new HandOver<T>(queue, this.#settings.timeoutMs, this.#abort.signal);
    // begins after the caller has it in hand
    this.#done = Promise.resolve().then(() => this.#run());
  }

  get running(): boolean {
    return !this.#closed;
  }

  /** The service stops it at the lame duck; what it has in hand may still come into the queue. */
  [ADOPT](door: Door): void {
    this.#handOver.owner = door.owner;
    this.#lameDuck = door.signalAt('lame-duck');
    if (this.#lameDuck.aborted) this.close();
    else linkAbort(this.#lameDuck, this);
  }

  /** The lame duck. */
  onAbort(): void {
    this.close();
  }

  wake(): void {
    this.#rest.wake();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watching?.[Symbol.dispose]();
    this.#ended();
    this.#rest.end();
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#inHand.drain(options);
  }

  cancel(reason: unknown = new DOMException(`"${this.name}" was cancelled`, 'AbortError')): void {
    this.close();
    this.#abort.abort(reason);
  }

  async stats(): Promise<Stats> {
    const { forwarded, duplicates, refused } = this.#handOver;
    const counts = await this.#counts({}).catch(() => ({}));
    return { ...counts, inFlight: this.#rows, forwarded, duplicates, refused, failures: this.#failures };
  }

  async health(ctx: CallOptions = {}): Promise<ComponentHealth> {
    try {
      const { setAside, oldestAgeMs } = await this.#counts(ctx);
      if (this.#lastError !== undefined)
        return { status: 'degraded', detail: `rows cannot be handed over: ${messageOf(this.#lastError)}` };
      if (setAside > 0)
        return { status: 'degraded', detail: `rows set aside, which the queue cannot take: ${setAside}` };
      if (oldestAgeMs > this.#settings.maxAgeMs)
        return { status: 'degraded', detail: `the oldest row has waited for ${Math.round(oldestAgeMs)} ms` };
      return this.#closed ? { status: 'degraded', detail: 'closed' } : { status: 'up' };
    } catch (error) {
      return { status: 'down', detail: messageOf(error) };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  #counts({ signal, deadline }: CallOptions): Promise<OutboxCounts> {
    // a database that does not answer is asked once, however often its health is wanted
    this.#counting ??= this.#table.counts().finally(() => (this.#counting = undefined));
    const counting = this.#counting;
    return call(() => counting, {
      signal,
      deadline,
      timeoutMs: COUNT_TIMEOUT_MS,
      name: this.name,
    });
  }

  async #dispose(): Promise<void> {
    this.close();
    // what is in hand may take its time, unless it is cancelled
    await this.#inHand.drain({ signal: this.#abort.signal }).catch(() => {});
    // a database that does not answer cannot be waited for without end
    await call(() => this.#done, { timeoutMs: GRACE_MS }).catch(() => {});
    if (this.#lameDuck !== undefined) unlinkAbort(this.#lameDuck, this);
  }

  async #run(): Promise<void> {
    if (!this.#closed && this.#settings.watch) this.#watching = this.#table.watch?.(() => this.wake());
    while (!this.#closed) await this.#turn();
  }

  /** Hands one batch over, and rests where there was none, or where that failed. */
  async #turn(): Promise<void> {
    try {
      const held = await this.#table.take(this.#settings.batchSize);
      // what comes after the close is not in hand: nobody waits for it
      if (this.#closed) return await held?.settle([], []);
      if (held !== undefined) await this.#forward(held);
      this.#failures = 0;
      this.#lastError = undefined;
      if (held !== undefined) return;
    } catch (error) {
      if (this.#closed) return;
      if (!this.#handOver.isOver(error)) return this.#rest.pause(this.#failed(error));
      this.#lastError = error;
      this.close();
    }
    await this.#rest.wait(this.#settings.pollMs);
  }

  async #forward(held: HeldRows): Promise<void> {
    this.#rows = held.rows.length;
    try {
      const count = await this.#handOver.run(held, (refused) => this.#setAside(refused));
      if (count > 0 && observed()) emit('outbox.forwarded', this.name, { count });
    } finally {
      this.#rows = 0;
      this.#inHand.settle();
    }
  }

  #setAside(refused: readonly RefusedRow[]): void {
    for (const { row, error } of refused)
      this.#faults.report('outbox.set-aside', `row "${row.id}" of the outbox is set aside`, {
        id: row.id,
        error,
      });
  }

  #failed(error: unknown): number {
    this.#failures += 1;
    this.#lastError = error;
    const hint: unknown = Reflect.get(Object(error), 'retryAfterMs');
    const delayMs = Math.max(
      this.#backoffMs(this.#failures),
      typeof hint === 'number' ? Math.min(hint, 10_000) : 0,
    );
    this.#faults.report('outbox.forward-failed', 'rows of the outbox cannot be handed over', {
      error,
      delayMs,
    });
    return delayMs;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
