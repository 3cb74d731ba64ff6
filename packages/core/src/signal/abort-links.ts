/**
 * One DOM listener per signal for the whole library, however many calls wait on it. Adding and removing is constant time, and
 * the listener leaves with the last waiter, so a signal that lives as long as the process collects nothing.
 */
import { reportError } from '../runtime.ts';

/** Something to tell when a signal aborts. It is an object and not a closure, so that a waiter costs nothing extra. */
export interface AbortListener {
  /** Called once, synchronously, with the signal's reason. */
  onAbort(reason: unknown): void;
}

class SignalLinks {
  readonly listeners: Set<AbortListener> = new Set<AbortListener>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this);
  }

  handleEvent(): void {
    const told = [...this.listeners];
    this.close();
    for (const listener of told) {
      try {
        listener.onAbort(this.#signal.reason);
      } catch (error) {
        reportError(error);
      }
    }
  }

  close(): void {
    this.listeners.clear();
    linksOf.delete(this.#signal);
    this.#signal.removeEventListener('abort', this);
  }
}

const linksOf = new WeakMap<AbortSignal, SignalLinks>();

/** Tells `listener` when `signal` aborts. The signal must not be aborted yet. */
export function linkAbort(signal: AbortSignal, listener: AbortListener): void {
  let links = linksOf.get(signal);
  if (links === undefined) {
    links = new SignalLinks(signal);
    linksOf.set(signal, links);
  }
  links.listeners.add(listener);
}

/** Takes `listener` back; does nothing where it is not linked. */
export function unlinkAbort(signal: AbortSignal, listener: AbortListener): void {
  const links = linksOf.get(signal);
  if (links !== undefined && links.listeners.delete(listener) && links.listeners.size === 0) links.close();
}
