/** Requests that came when the door was shut, and that their server serves all the same. Whoever opens their scope asks here. */
import { EXECUTION, Execution } from '../signal/execution.ts';

const late = new WeakSet<object>();

/** Records that `request` came late and is served. */
export function markLate(request: object): void {
  late.add(request);
}

/** `options` for opening the scope of `request`, such that they pass the door of `service` where it came late. */
export function pastTheDoor<O extends object>(service: object, request: object, options: O): O {
  return late.has(request) ? { ...options, [EXECUTION]: new Execution(undefined, service) } : options;
}
