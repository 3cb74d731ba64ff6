/**
 * What can be sent to a thread, told without sending it: a closed port serialises what it is given and drops it.
 * Where something cannot, the path to the culprit is found, so that the error names it.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** The part of a value that cannot be sent. */
export interface Uncloneable {
  /** Where it is, such as `args[0].callback`. */
  readonly path: string;
  /** What it is, such as `is a function`. */
  readonly why: string;
}

let closed: MessagePort | undefined;

function closedPort(): MessagePort {
  if (closed === undefined) {
    closed = new MessageChannel().port1;
    closed.close();
  }
  return closed;
}

/** Whether `value` can be sent to a thread. */
export function isCloneable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null)
    return typeof value !== 'function' && typeof value !== 'symbol';
  try {
    closedPort().postMessage(value);
    return true;
  } catch {
    return false;
  }
}

/** Finds what keeps `value`, known not to be cloneable, from being sent; `path` is what `value` itself is called. */
export function findUncloneable(value: unknown, path: string): Uncloneable {
  return descend(value, path, new Set<object>()) ?? { path, why: 'cannot be cloned' };
}

function descend(value: unknown, path: string, seen: Set<object>): Uncloneable | undefined {
  if (isCloneable(value)) return undefined;
  if (typeof value !== 'object' || value === null) return { path, why: `is a ${typeof value}` };
  if (seen.has(value)) return undefined;
  seen.add(value);
  for (const [key, member] of Object.entries(value)) {
    const found = descend(member, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, seen);
    if (found !== undefined) return found;
  }
  const type: unknown = value.constructor?.name;
  return { path, why: typeof type === 'string' ? `is of type ${type}` : 'cannot be cloned' };
}
