/**
 * The one event bus. Emitting is free when nobody listens: callers ask `observed()` before they build an event's data.
 * Listeners observe and can never steer: what they throw is reported, and state is committed before they run.
 */
import { notify } from '../runtime.ts';

/** Something that happened inside a primitive. */
export interface HoldfastEvent {
  /** What happened, as `area.event`: `queue.dropped`, `retry.scheduled`, `circuit.opened` … */
  readonly type: string;
  /** Name of the primitive it happened to. */
  readonly name: string;
  /** When, in milliseconds since the epoch. */
  readonly at: number;
  /** The numbers and causes of this type of event. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Receives every event, synchronously. */
export type EventListener = (event: HoldfastEvent) => void;

/** What is emitted goes here while anybody listens. Only `subscribe` brings the code for it, so that it costs nobody else a byte. */
let deliver: ((type: string, name: string, data: HoldfastEvent['data']) => void) | undefined;
let listeners: readonly EventListener[] = [];

/** Whether anybody listens. */
export function observed(): boolean {
  return deliver !== undefined;
}

/** Tells every listener. Ask `observed()` first where building `data` costs something. */
export function emit(type: string, name: string, data: Readonly<Record<string, unknown>>): void {
  deliver?.(type, name, data);
}

/**
 * Calls `listener` with every event of every primitive in the process until the returned handle is disposed.
 *
 * @example
 * using subscription = subscribe((event) => counters.increment(event.type));
 */
export function subscribe(listener: EventListener): Disposable {
  const own: EventListener = (event) => listener(event);
  listeners = [...listeners, own];
  deliver = tellAll;
  return {
    [Symbol.dispose](): void {
      listeners = listeners.filter((one) => one !== own);
      if (listeners.length === 0) deliver = undefined;
    },
  };
}

function tellAll(type: string, name: string, data: HoldfastEvent['data']): void {
  const event: HoldfastEvent = { type, name, at: Date.now(), data };
  for (const listener of listeners) notify(listener, event);
}
