/**
 * A queue as its loops know it. They may do what nobody else may: put although the queue refuses, for a producer that holds an item
 * when the doors close, and say that an item is lost, which the queue then counts.
 */
import type { Door } from '../component.ts';
import type { WaitOptions } from '../signal/wait-line.ts';
import type { Channel } from './channel.ts';
import type { ConsumerHost } from './consume.ts';
import { Loops } from './loops.ts';
import type { ProducerHost } from './produce.ts';
import type { Loop, LoopFault } from './queue-loop.ts';

const WITHOUT_LIMIT: WaitOptions = {};

/** The side of one queue that its loops see. */
export class QueueHost<T> implements ConsumerHost<T>, ProducerHost<T> {
  readonly channel: Channel<T>;
  readonly loops: Loops = new Loops();
  /** Something left the queue or the hands of a loop. */
  readonly settle: () => void;
  /** The way in, where a service owns the queue. */
  door: Door | undefined;
  cancelled = false;
  /** How many items that had been admitted will not be finished. */
  lostItems = 0;
  readonly #onLeft: () => void;

  constructor(channel: Channel<T>, settle: () => void, onLeft: () => void) {
    this.channel = channel;
    this.settle = settle;
    this.#onLeft = onLeft;
  }

  get name(): string {
    return this.channel.name;
  }

  get closed(): boolean {
    return this.channel.closed;
  }

  put(value: T): Promise<void> {
    const { refusal } = this.channel;
    if (refusal !== undefined) return Promise.reject(refusal.error);
    return this.channel.put(value, WITHOUT_LIMIT, true);
  }

  joined(loop: Loop): void {
    this.loops.joined(loop);
    this.channel.consumers = this.loops.consumers;
  }

  left(loop: Loop, fault: LoopFault | undefined): void {
    this.loops.left(loop, fault);
    this.channel.consumers = this.loops.consumers;
    this.#onLeft();
  }

  lost(): void {
    this.lostItems += 1;
  }
}
