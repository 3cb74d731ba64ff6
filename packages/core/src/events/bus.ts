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

let listeners: readonly EventListener[] | undefined;

/** Whether anybody listens. */
export function observed(): boolean {
  return listeners !== undefined;
}

/** Tells every listener. Ask `observed()` first where building `data` costs something. */
export function emit(type: string, name: string, data: Readonly<Record<string, unknown>>): void {
  if (listeners === undefined) return;
  const event: HoldfastEvent = { type, name, at: Date.now(), data };
  for (const listener of listeners) notify(listener, event);
}

/**
 * Calls `listener` with every event of every primitive in the process until the returned handle is disposed.
 *
 * @example
 * using subscription = subscribe((event) => counters.increment(event.type));
 */
export function subscribe(listener: EventListener): Disposable {
  const own: EventListener = (event) => listener(event);
  listeners = [...(listeners ?? []), own];
  return {
    [Symbol.dispose](): void {
      const rest = listeners?.filter((one) => one !== own);
      listeners = rest === undefined || rest.length === 0 ? undefined : rest;
    },
  };
}
