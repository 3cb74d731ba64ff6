/** What the relay does on each route, without a framework: a request and its scope in, an answer out, every refusal thrown. */
import { isHoldfastError, runBatch, withTimeout, type RequestScope } from '@holdfast/core';
import type { Bridge } from '@holdfast/node';
import { json, problem, refusalOf, type Answer } from './answer.ts';
import { readJson } from './body.ts';
import type { Deliveries } from './deliveries.ts';
import type * as DigestSync from './digest.sync.ts';
import type { RelayConfig } from './environment.ts';
import { readBatch, readDigestOrder, readEvent, readUrl } from './event.ts';
import type { Accepted, AdmissionOptions, Intake } from './intake.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import { probe } from './probe.ts';
import { RequestError } from './request-error.ts';
import { lastSegmentOf, queryOf, type RelayRequest } from './requests.ts';
import type { Store } from './store.ts';

/** What the handlers work with. */
export interface Parts {
  readonly config: RelayConfig;
  readonly store: Store;
  readonly deliveries: Deliveries;
  readonly intake: Intake;
  readonly outcomes: Outcomes;
  readonly digests: Bridge<typeof DigestSync>;
}

/** The routes' work. */
export class Handlers {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Accepts one event; with `?wait=delivered` the answer waits until it is settled. */
  async postEvent(request: RelayRequest, scope: RequestScope): Promise<Answer> {
    const { config, intake, outcomes } = this.#parts;
    const wait = queryOf(request, 'wait');
    if (wait !== undefined && wait !== 'delivered')
      throw new RequestError('BAD_REQUEST', 'wait must be "delivered"');
    const event = readEvent(await this.#json(request, scope), config.allowedOrigins);
    using waiting = wait === undefined ? undefined : outcomes.wait(event.id);
    try {
      const accepted = await this.#admit(scope, (options) => intake.accept(event, options));
      if (waiting === undefined) return json(202, { id: accepted.id, status: accepted.status });
      return await this.#settled(accepted, waiting.settled, scope);
    } catch (error) {
      // whoever is told 504 can ask later what became of the event
      if (isHoldfastError(error, 'TIMEOUT')) return problem(error, { id: event.id });
      throw error;
    }
  }

  /** Accepts up to 1 000 events with one wait for room; each has an outcome of its own. */
  async postBatch(request: RelayRequest, scope: RequestScope): Promise<Answer> {
    const { config, intake } = this.#parts;
    const events = readBatch(await this.#json(request, scope));
    const { successes, errors } = await this.#admit(scope, (options) => {
      const until = performance.now() + options.maxWaitMs;
      return runBatch(
        events,
        (value) => {
          const maxWaitMs = Math.max(0, until - performance.now());
          return intake.accept(readEvent(value, config.allowedOrigins), { ...options, maxWaitMs });
        },
        { concurrency: Number.POSITIVE_INFINITY, name: 'events' },
      );
    });
    return json(200, {
      successes: successes.map(({ index, value }) => ({ index, id: value.id })).toSorted(byIndex),
      errors: errors
        .map(({ index, error }) => ({ index, error: refusalOf(error).body }))
        .map(({ index, error }) => ({ index, code: error.code, detail: error.detail }))
        .toSorted(byIndex),
    });
  }

  /** What became of an event. */
  async getEvent(request: RelayRequest, { signal, deadline }: RequestScope): Promise<Answer> {
    const id = lastSegmentOf(request);
    const event = await this.#parts.store.find(id, { signal, deadline });
    if (event === undefined) throw new RequestError('NOT_FOUND', 'there is no event with this id');
    const { url, status, attempts, queueDelayMs, lastError } = event;
    return json(200, { id, url, status, attempts, queueDelayMs, lastError: lastError ?? undefined });
  }

  /** Whether a subscriber can be reached. */
  async getProbe(request: RelayRequest, scope: RequestScope): Promise<Answer> {
    const { config, deliveries } = this.#parts;
    const { text, url } = readUrl(queryOf(request, 'url'), config.allowedOrigins);
    const found = await probe(text, deliveries.subscribers.for(url.origin), config.attemptTimeoutMs, scope);
    return json(200, { ...found });
  }

  /** Digests a text on the worker pool. */
  async postDigest(request: RelayRequest, scope: RequestScope): Promise<Answer> {
    const order = readDigestOrder(await this.#json(request, scope));
    return json(200, { digest: await this.#parts.digests.with({ ...scope }).digest(order) });
  }

  /** The relay in figures. */
  async getStats(_: RelayRequest, { signal, deadline }: RequestScope): Promise<Answer> {
    const { store, deliveries, digests } = this.#parts;
    return json(200, {
      events: await store.counts({ signal, deadline }),
      ...(await deliveries.figures()),
      pools: { store: store.stats(), digests: digests.stats() },
    });
  }

  #json(request: RelayRequest, { signal, deadline }: RequestScope): Promise<unknown> {
    return readJson(request, { signal, deadline, maxBytes: this.#parts.config.maxBodyBytes });
  }

  /**
   * Runs an admission to its end, whether or not its caller stays: others may share its outcome, and what was stored must be
   * queued or forgotten. The caller's time is its limit, and the caller waits no longer.
   */
  #admit<T>(scope: RequestScope, work: (options: AdmissionOptions) => Promise<T>): Promise<T> {
    const { deadline } = scope;
    const { admissionWaitMs: maxWaitMs } = this.#parts.config;
    const admission = scope.background((ctx) => work({ ...ctx, deadline, maxWaitMs }), { name: 'admission' });
    return withTimeout(() => admission, {
      deadline,
      timeoutMs: Number.POSITIVE_INFINITY,
      name: 'The admission',
    });
  }

  /** Waits until an accepted event is settled, through a drain; what the end of it cuts off is still accepted. */
  async #settled(
    { id, status, lastError }: Accepted,
    settled: Promise<Outcome>,
    scope: RequestScope,
  ): Promise<Answer> {
    if (status === 'delivered' || status === 'failed') return outcome(id, { status, lastError });
    try {
      const { signal, deadline } = scope;
      const limits = { signal, deadline, timeoutMs: Number.POSITIVE_INFINITY, name: 'The delivery' };
      return outcome(id, await withTimeout(() => settled, limits));
    } catch (error) {
      if (!isHoldfastError(error, 'SHUTTING_DOWN')) throw error;
      const event = await this.#parts.store.find(id);
      return json(202, { id, status: event?.status ?? status }, { Connection: 'close' });
    }
  }
}

function byIndex(one: { readonly index: number }, other: { readonly index: number }): number {
  return one.index - other.index;
}

function outcome(id: string, { status, lastError }: Outcome): Answer {
  return json(200, { id, status, lastError: status === 'failed' ? lastError : undefined });
}
