/**
 * Payloads as JSON that comes back as it went in, or not at all: what JSON would change or drop in silence is refused, with the
 * path to it. An instance of a class travels by its own enumerable members; an `undefined` member of an object is left out, which
 * reads the same on the other side.
 */
import { PayloadInvalidError, PayloadTooLargeError } from '../errors/job-errors.ts';

interface Flaw {
  path: string;
  readonly why: string;
}

/**
 * Encodes `payload`; `root` is what its path begins with in an error.
 *
 * @throws PayloadInvalidError, PayloadTooLargeError
 */
export function encodePayload(payload: unknown, maxBytes: number, root = '$'): string {
  const check = new PayloadCheck(maxBytes);
  const flaw = check.find(payload);
  if (flaw !== undefined) throw new PayloadInvalidError(root + flaw.path, flaw.why);
  const body = JSON.stringify(payload);
  const bytes = byteLength(body, maxBytes);
  if (bytes > maxBytes) throw new PayloadTooLargeError(bytes, maxBytes);
  return body;
}

/** Size in UTF-8; not counted exactly where it cannot be above `enough`. */
function byteLength(text: string, enough: number): number {
  return text.length * 3 <= enough ? text.length : new TextEncoder().encode(text).length;
}

/** Deepest nesting; what is deeper is a mistake, and would overflow the stack of the encoder. */
const MAX_NESTING = 1_000;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/u;

class PayloadCheck {
  readonly #maxNodes: number;
  readonly #ancestors: Set<object> = new Set<object>();
  #nodes = 0;

  constructor(maxBytes: number) {
    this.#maxNodes = maxBytes;
  }

  find(value: unknown): Flaw | undefined {
    // every value takes a byte at least: a graph that would unfold to more than fits is not walked to its end
    this.#nodes += 1;
    if (this.#nodes > this.#maxNodes) throw new PayloadTooLargeError(this.#nodes, this.#maxNodes);
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return undefined;
      case 'number':
        return Number.isFinite(value) ? undefined : flaw(`is ${value}`);
      case 'object':
        return value === null ? undefined : this.#findInside(value);
      case 'undefined':
        return flaw('is undefined');
      default:
        return flaw(`is a ${typeof value}`);
    }
  }

  #findInside(value: object): Flaw | undefined {
    if (this.#ancestors.has(value)) return flaw('contains itself');
    if (this.#ancestors.size === MAX_NESTING) return flaw(`is nested deeper than ${MAX_NESTING}`);
    this.#ancestors.add(value);
    const found = Array.isArray(value) ? this.#findInArray(value) : this.#findInObject(value);
    this.#ancestors.delete(value);
    return found;
  }

  #findInArray(items: readonly unknown[]): Flaw | undefined {
    for (let index = 0; index < items.length; index += 1) {
      const found = this.find(items[index]);
      if (found !== undefined) return under(`[${index}]`, found);
    }
    return undefined;
  }

  #findInObject(value: object): Flaw | undefined {
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind !== 'Object') return flaw(`is of type ${kind}`);
    if (typeof Reflect.get(value, 'toJSON') === 'function') return flaw('has a toJSON method');
    if (Object.getOwnPropertySymbols(value).length > 0) return flaw('has a symbol as a key');
    for (const key of Object.keys(value)) {
      const member: unknown = Reflect.get(value, key);
      if (member === undefined) continue;
      const found = this.find(member);
      if (found !== undefined)
        return under(IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`, found);
    }
    return undefined;
  }
}

function flaw(why: string): Flaw {
  return { path: '', why };
}

function under(step: string, found: Flaw): Flaw {
  found.path = step + found.path;
  return found;
}
