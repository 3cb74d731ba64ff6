/**
 * The audit trail: one entry for each accepted event, written by a background task that ends when there is nothing left to write.
 * The task belongs to the service, so a shutdown waits for it; what a crash leaves out is written by the next start.
 */
import type { CallOptions, TaskManager } from '@holdfast/core';
import type { Store } from './store.ts';

/** Writes the trail. */
export class AuditTrail {
  readonly #store: Store;
  readonly #tasks: TaskManager;
  #owed: string[] = [];
  #writing = false;

  constructor(store: Store, tasks: TaskManager) {
    this.#store = store;
    this.#tasks = tasks;
  }

  /** Owes an entry for event `id`, accepted by the work that `ctx` belongs to. */
  add(id: string, ctx: CallOptions): void {
    this.#owed.push(id);
    if (this.#writing) return;
    this.#writing = true;
    try {
      // an entry is owed however the work that accepted the event ends
      this.#tasks.spawn(() => this.#write(), {
        ...ctx,
        signal: undefined,
        deadline: undefined,
        name: 'audit',
      });
    } catch {
      this.#writing = false; // too many tasks, or too late for one: the next one, or the next start, writes it
    }
  }

  async #write(): Promise<void> {
    try {
      while (this.#owed.length > 0) {
        const ids = this.#owed;
        this.#owed = [];
        await this.#store.audit(ids);
      }
    } finally {
      this.#writing = false;
    }
  }
}
