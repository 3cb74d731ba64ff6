/** The jobs of a queue that will not be tried again, for people to look at, try once more, or throw away. */
import { checkInteger, checkName, checkOptions, outOfRange } from '../options/checks.ts';
import { call } from '../signal/call.ts';
import { extendContext, type Work } from '../signal/work-context.ts';
import type { IntakeHost } from './enqueue.ts';
import type { DeadJob, ListDeadOptions } from './engine.ts';

/** How long an engine may take to answer, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Dead letters of one queue. */
export class DeadLetters<T> {
  readonly #host: IntakeHost;

  constructor(host: IntakeHost) {
    this.#host = host;
  }

  /**
   * Lists dead jobs, oldest death first. To go on, give the `cursor` of the last one.
   *
   * @throws TypeError, RangeError, EngineUnavailableError (as rejections)
   */
  async list(options: ListDeadOptions = {}): Promise<readonly DeadJob<T>[]> {
    checkOptions('options', options, ['limit', 'cursor']);
    const { limit = 100, cursor } = options;
    checkInteger('limit', limit, 1);
    if (limit > 1_000) throw outOfRange('limit', 'at most 1000', limit);
    if (cursor !== undefined) checkName('cursor', cursor);
    const { name, driver } = this.#host;
    const found = await this.#ask(() => driver.dead.list(name, { limit, cursor }));
    // what was put in as T
    return found.map((job) => ({ ...job, payload: decode(job.payload) as T }));
  }

  /**
   * Makes a dead job wait again, with all its attempts; false where it is not there, or a job of its id is present once more.
   *
   * @throws QueueFullError where there is no room for it now, and what `enqueue` throws (as rejections)
   */
  async requeue(id: string): Promise<boolean> {
    checkName('id', id);
    const { name, driver, admission, maxDepth, sample } = this.#host;
    const refusal = this.#host.refusal({});
    if (refusal !== undefined) throw refusal;
    return admission.enter(1, { maxWaitMs: 0 }, () =>
      this.#ask(async (ctx) => {
        await sample?.reserve(1);
        const done = await driver.dead.requeue(name, id, extendContext(ctx, { maxDepth }));
        if (!done) sample?.free(1);
        return done;
      }),
    );
  }

  /** Forgets a dead job; false where it is not there. */
  async remove(id: string): Promise<boolean> {
    checkName('id', id);
    const { name, driver } = this.#host;
    return this.#ask(() => driver.dead.remove(name, id));
  }

  async #ask<R>(fn: Work<R>): Promise<R> {
    await this.#host.open();
    return call(fn, { timeoutMs: TIMEOUT_MS, name: `Queue "${this.#host.name}"` });
  }
}

/** A body that is not JSON was not written by us; it is shown as it is. */
function decode(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
