/** Whether new work may come in: what is closed refuses it, and so does the door of a service that is shutting down. */
import type { Door } from '../component.ts';
import { ShuttingDownError } from '../errors/lifecycle-errors.ts';
import { QueueClosedError } from '../errors/queue-errors.ts';
import type { CallOptions } from '../signal/work-context.ts';

/** The way into a component. */
export class Intake {
  readonly #name: string;
  #door: Door | undefined;
  #closed = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Whether everybody is let in, whoever it is. */
  get open(): boolean {
    return !this.#closed && this.#door === undefined;
  }

  /** Whether it is closed for good. */
  get closed(): boolean {
    return this.#closed;
  }

  adopt(door: Door): void {
    this.#door = door;
  }

  close(): void {
    this.#closed = true;
  }

  /** The refusal of work with these options, or `undefined` to let it in. */
  refusal(options: CallOptions | undefined): Error | undefined {
    if (!this.#closed) return this.#door?.refusal(options);
    return this.#door === undefined ? new QueueClosedError(this.#name) : new ShuttingDownError(this.#name);
  }
}
