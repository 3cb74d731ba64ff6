/**
 * Where jobs arrive that were asked for. Several requests may be open, each for some jobs; the server answers each with its jobs, signs
 * of life, and, when it ends, how many it did not get. A new inbox makes all requests of the one before void.
 */
import { now } from '@holdfast/core/internal';
import type { Msg, Subscription } from '@nats-io/transport-node';
import type { Link } from './link.ts';
import { CONSUMER } from './queue-streams.ts';

/** Who asks. */
export interface InboxOwner {
  message(message: Msg): void;
  /** A request has ended. */
  ended(): void;
  /** What was asked for will not come. */
  broken(): void;
}

/** How long a request stays at the server, and how often it says that it is there, in milliseconds. */
const REQUEST_MS = 60_000;
const HEARTBEAT_MS = 5_000;
/** Signs of life that may be missed. */
const MISSED = 3;
const NANOS = 1_000_000;

/** One inbox. */
export class Inbox {
  readonly #link: Link;
  readonly #owner: InboxOwner;
  readonly #subject: string;
  readonly #subscription: Subscription;
  #asked = 0;
  #heardAt = now();
  #closed = false;

  constructor(link: Link, stream: string, owner: InboxOwner) {
    const { connection, newInbox } = link.client;
    this.#link = link;
    this.#owner = owner;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${CONSUMER}`;
    this.#subscription = connection.subscribe(newInbox(), {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
  }

  /** Whether nothing has been heard for so long that the requests are lost. */
  get silent(): boolean {
    return this.#asked > 0 && now() - this.#heardAt > HEARTBEAT_MS * MISSED;
  }

  /** Sees to it that `count` jobs are asked for. */
  ask(count: number): void {
    const batch = count - this.#asked;
    if (batch <= 0 || this.#closed) return;
    if (this.#asked === 0) this.#heardAt = now();
    this.#asked += batch;
    const request = { batch, expires: REQUEST_MS * NANOS, idle_heartbeat: HEARTBEAT_MS * NANOS };
    this.#link.client.connection.publish(this.#subject, JSON.stringify(request), {
      reply: this.#subscription.getSubject(),
    });
  }

  /** Resolves when nothing more comes. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#subscription.isClosed()) return;
    if (this.#link.up) await this.#link.ask(() => this.#subscription.drain()).catch(() => {});
    if (!this.#subscription.isClosed()) this.#subscription.unsubscribe();
  }

  #receive(message: Msg): void {
    this.#heardAt = now();
    const code = message.headers?.code ?? 0;
    if (code === 0) {
      this.#asked = Math.max(0, this.#asked - 1);
      this.#owner.message(message);
      return;
    }
    if (code === 100 || this.#closed) return;
    const left = Number(message.headers?.get('Nats-Pending-Messages') || Number.NaN);
    if ((code === 404 || code === 408) && left > 0) {
      this.#asked = Math.max(0, this.#asked - left);
      this.#owner.ended();
    } else this.#owner.broken();
  }
}
