/** What a server is doing: requests, streams and upgraded sockets, and what became of them since its intake ended. */
import type { DrainOptions, DrainReport, RequestCounts } from '@holdfast/core';
import { IdleLine } from '@holdfast/core/internal';

/** One exchange with a client. */
export interface Exchange {
  /** Whether it was there when the intake ended. */
  counted: boolean;
  /** Ends it at once, whatever is lost. */
  cut(): void;
}

/** All exchanges of a server. */
export class InFlight {
  readonly #open: Set<Exchange> = new Set<Exchange>();
  readonly #idle: IdleLine = new IdleLine(() => this.#open.size);
  #drained = 0;
  #cancelled = 0;
  #rejected = 0;

  get size(): number {
    return this.#open.size;
  }

  /** Those that are open. */
  get exchanges(): Iterable<Exchange> {
    return this.#open;
  }

  get counts(): RequestCounts {
    return { drained: this.#drained, cancelled: this.#cancelled, rejected: this.#rejected };
  }

  begin(exchange: Exchange): void {
    this.#open.add(exchange);
  }

  /** It is over; `finished` where the client got all of it. */
  end(exchange: Exchange, finished: boolean): void {
    if (!this.#open.delete(exchange)) return;
    if (exchange.counted && finished) this.#drained += 1;
    this.#idle.settle();
  }

  /** One was refused. */
  reject(): void {
    this.#rejected += 1;
  }

  /** The intake has ended: what is there now is counted by its end. */
  count(): void {
    for (const exchange of this.#open) exchange.counted = true;
  }

  /** One is lost: its client got an end that is no answer of the application's. */
  lose(exchange: Exchange): void {
    if (!this.#open.delete(exchange)) return;
    this.#cancelled += 1;
    this.#idle.settle();
  }

  /** Ends all there are, at once. */
  cut(): void {
    for (const exchange of this.#open) {
      this.lose(exchange);
      exchange.cut();
    }
  }

  drain(options?: DrainOptions): Promise<DrainReport> {
    return this.#idle.drain(options);
  }
}
