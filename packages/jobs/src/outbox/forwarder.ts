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
  /** Looks for rows now. */
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
  /** Closes, and waits until nothing is in hand. */
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

/** How long a disposal waits after `cancel`, in milliseconds. */
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
    return call(() => this.#table.counts(), {
      signal,
      deadline,
      timeoutMs: COUNT_TIMEOUT_MS,
      name: this.name,
    });
  }

  async #dispose(): Promise<void> {
    this.close();
    // a database that does not answer cannot be waited for without end
    await (this.#abort.signal.aborted
      ? call(() => this.#done, { timeoutMs: GRACE_MS }).catch(() => {})
      : this.#done);
    if (this.#lameDuck !== undefined) unlinkAbort(this.#lameDuck, this);
  }

  async #run(): Promise<void> {
    const watching =
      this.#closed || !this.#settings.watch ? undefined : await this.#table.watch?.(() => this.wake());
    while (!this.#closed) {
      const delayMs = await this.#turn();
      if (delayMs > 0) await this.#rest.wait(delayMs);
    }
    await watching?.[Symbol.asyncDispose]();
  }

  /** Hands one batch over; says how long to rest then. */
  async #turn(): Promise<number> {
    try {
      const held = await this.#table.take(this.#settings.batchSize);
      if (held !== undefined) await this.#forward(held);
      this.#failures = 0;
      this.#lastError = undefined;
      return held === undefined ? this.#settings.pollMs : 0;
    } catch (error) {
      if (this.#closed) return 0;
      if (this.#handOver.isOver(error)) {
        this.#lastError = error;
        this.close();
        return 0;
      }
      return this.#failed(error);
    }
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
