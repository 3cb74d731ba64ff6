/**
 * One DOM listener per signal for the whole library, however many calls wait on it. Adding and removing is constant time, and
 * the listener leaves with the last waiter, so a signal that lives as long as the process collects nothing.
 */
import { notify } from '../runtime.ts';

/** Something to tell when a signal aborts. It is an object and not a closure, so that a waiter costs nothing extra. */
export interface AbortListener {
  /** Called once, synchronously, with the signal's reason. */
  onAbort(reason: unknown): void;
}

const linksOf = /* @__PURE__ */ new WeakMap<EventTarget, Set<AbortListener>>();

/** The one listener of every signal. */
function tellAll(this: AbortSignal): void {
  const listeners = [...(linksOf.get(this) ?? [])];
  unlisten(this);
  for (const listener of listeners) notify(() => listener.onAbort(this.reason));
}

function unlisten(signal: AbortSignal): void {
  linksOf.delete(signal);
  signal.removeEventListener('abort', tellAll);
}

/** Tells `listener` when `signal` aborts. The signal must not be aborted yet. */
export function linkAbort(signal: AbortSignal, listener: AbortListener): void {
  let listeners = linksOf.get(signal);
  if (listeners === undefined) {
    linksOf.set(signal, (listeners = new Set<AbortListener>()));
    signal.addEventListener('abort', tellAll);
  }
  listeners.add(listener);
}

/** Takes `listener` back; does nothing where it is not linked. */
export function unlinkAbort(signal: AbortSignal, listener: AbortListener): void {
  const listeners = linksOf.get(signal);
  if (listeners?.delete(listener) && listeners.size === 0) unlisten(signal);
}
