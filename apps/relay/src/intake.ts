/**
 * The door for events: stored first, then admitted to the queue, and only then accepted. What is refused is forgotten again, so
 * that nobody is sent an event whose producer was told no. Of concurrent repeats of one event the first is asked, and all get
 * its outcome; the store knows later ones, and those that come to other relays with the same store.
 */
import { randomUUID } from 'node:crypto';
import type { CallOptions } from '@holdfast/core';
import type { AuditTrail } from './audit-trail.ts';
import type { Deliveries } from './deliveries.ts';
import type { PostedEvent } from './event.ts';
import { RequestError } from './request-error.ts';
import { sameJson } from './same-json.ts';
import type { Store } from './store.ts';
import type { Admission, EventStatus } from './store.sync.ts';

/** An event that is the relay's now. */
export interface Accepted {
  readonly id: string;
  readonly status: EventStatus;
  readonly lastError: string | undefined;
}

/** How long to wait for room in the queue. */
export interface AdmissionOptions extends CallOptions {
  readonly maxWaitMs: number;
}

/** What intake needs of the store. */
export type IntakeStore = Pick<Store, 'insert' | 'remove' | 'keep'>;

/** Accepts events. */
export class Intake {
  readonly #store: IntakeStore;
  readonly #deliveries: Pick<Deliveries, 'enqueue'>;
  readonly #trail: Pick<AuditTrail, 'add'>;
  readonly #underWay = new Map<
    string,
    { readonly event: PostedEvent; readonly accepted: Promise<Accepted> }
  >();

  constructor(store: IntakeStore, deliveries: Pick<Deliveries, 'enqueue'>, trail: Pick<AuditTrail, 'add'>) {
    this.#store = store;
    this.#deliveries = deliveries;
    this.#trail = trail;
  }

  /**
   * Accepts an event, or finds that it has been.
   *
   * @throws QueueFullError, RequestError ID_CONFLICT
   */
  async accept(event: PostedEvent, options: AdmissionOptions): Promise<Accepted> {
    for (;;) {
      const other = this.#underWay.get(event.id);
      if (other === undefined) break;
      if (isSame(other.event, event)) return other.accepted;
      await other.accepted.catch(() => undefined); // whether its id is taken is not decided before
    }
    const accepted = this.#accept(event, options).finally(() => this.#underWay.delete(event.id));
    this.#underWay.set(event.id, { event, accepted });
    return accepted;
  }

  async #accept(event: PostedEvent, options: AdmissionOptions): Promise<Accepted> {
    for (;;) {
      const posted = { ...event, admission: randomUUID() };
      const stored = await this.#store.insert(posted);
      if (stored === undefined) {
        await this.#admit(posted, options);
        this.#trail.add(event.id, options);
        return { id: event.id, status: 'queued', lastError: undefined };
      }
      const { id, status, lastError } = stored;
      if (!isSame(stored, event))
        throw new RequestError('ID_CONFLICT', `another event with the id ${id} was accepted before`);
      if (status === 'queued') await this.#deliveries.enqueue(stored, options);
      // else another relay had it, was refused, and has forgotten it: it is new
      if (status !== 'queued' || (await this.#store.keep(stored)))
        return { id, status, lastError: lastError ?? undefined };
    }
  }

  async #admit(posted: PostedEvent & Admission, options: AdmissionOptions): Promise<void> {
    try {
      await this.#deliveries.enqueue(posted, options);
    } catch (error) {
      // what cannot be forgotten was queued by another relay, and so it is accepted
      if (await this.#store.remove(posted)) throw error;
    }
  }
}

function isSame(one: PostedEvent, other: PostedEvent): boolean {
  return one.url === other.url && sameJson(one.payload, other.payload);
}
