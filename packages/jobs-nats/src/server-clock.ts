/**
 * The server's time, as far as this process can tell. Delays count from when the server has stored a job, so the clock of this host
 * must not decide when they end. The server says its time when it makes a consumer; the steady clock carries it on from there.
 */
import { now } from '@holdfast/core/internal';
import type { Client, Link } from './link.ts';

/** How long a measurement is good, in milliseconds: steady clocks drift too. */
const GOOD_FOR_MS = 600_000;

/** A clock like the server's. */
export class ServerClock {
  readonly #link: Link;
  readonly #stream: string;
  #ahead = 0;
  #measuredAt = -Infinity;

  /** Measures by consumers of `stream`, which may have any number of them. */
  constructor(link: Link, stream: string) {
    this.#link = link;
    this.#stream = stream;
  }

  /** Milliseconds since the epoch, by the server. */
  now(): number {
    return now() + this.#ahead;
  }

  /** Asks the server, unless it was asked lately. Errors come as rejections. */
  async measure(): Promise<void> {
    if (now() - this.#measuredAt < GOOD_FOR_MS) return;
    const { manager } = this.#link.client;
    const askedAt = now();
    const { created, name } = await this.#link.ask(() => makeConsumer(manager, this.#stream));
    const answeredAt = now();
    // in doubt the server is behind: a job is rather late than early
    this.#ahead = Date.parse(created) - answeredAt;
    this.#measuredAt = askedAt;
    // it would go by itself
    this.#link.ask(() => manager.consumers.delete(this.#stream, name)).catch(() => {});
  }
}

function makeConsumer(
  manager: Client['manager'],
  stream: string,
): Promise<{ readonly created: string; readonly name: string }> {
  return manager.consumers.add(stream, {
    ack_policy: 'none',
    deliver_policy: 'new',
    inactive_threshold: 5_000_000_000,
    mem_storage: true,
  });
}
