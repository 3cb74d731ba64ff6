/** Opens an engine: one attempt for all who ask while it runs, within a bounded time. After a failed one another may follow. */
import { isHoldfastError } from '../errors/is-holdfast-error.ts';
import { EngineUnavailableError } from '../errors/job-errors.ts';
import { call } from '../signal/call.ts';
import type { JobDriver } from './engine.ts';

/** How long the engine may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Whether the engine of one queue is open. */
export class Opening {
  readonly #queue: string;
  readonly #driver: JobDriver;
  #attempt: Promise<void> | undefined;
  #done = false;

  constructor(queue: string, driver: JobDriver) {
    this.#queue = queue;
    this.#driver = driver;
  }

  /** Whether the engine is open. */
  get done(): boolean {
    return this.#done;
  }

  /**
   * Resolves when the engine is open.
   *
   * @throws EngineUnavailableError (as a rejection) when it takes too long, else what the driver rejects with.
   */
  open(): Promise<void> {
    this.#attempt ??= this.#open();
    return this.#attempt;
  }

  /** Resolves when no attempt is under way. */
  async settled(): Promise<void> {
    await this.#attempt?.catch(() => {});
  }

  async #open(): Promise<void> {
    const name = `Opening "${this.#queue}"`;
    try {
      await call((ctx) => this.#driver.open(ctx), { timeoutMs: TIMEOUT_MS, name });
      this.#done = true;
    } catch (error) {
      this.#attempt = undefined;
      if (!isHoldfastError(error, 'TIMEOUT')) throw error;
      throw new EngineUnavailableError(`The engine of queue "${this.#queue}" did not open in time`, error);
    }
  }
}
