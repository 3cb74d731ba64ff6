/**
 * Errors across the thread boundary. Structured clone turns a subclass into a bare Error and drops its fields; packed, an error
 * keeps name, message, stack, code, its cause chain and every own field that can be cloned. The trap: a class of yours arrives as
 * an Error with its name, so tell it by `code` or `name`, not by `instanceof`.
 */
import { isCloneable } from './cloneable.ts';

/** Brand of Holdfast's errors. Core is not imported here: a thread that loads less is there sooner. */
const HOLDFAST_ERROR = Symbol.for('holdfast.error');

interface PackedField {
  readonly key: string;
  readonly enumerable: boolean;
  readonly value: PackedError;
}

/** What was thrown, ready to be sent. */
export type PackedError =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'list'; readonly items: readonly PackedError[] }
  | {
      readonly kind: 'error';
      readonly type: string;
      readonly branded: boolean;
      readonly fields: readonly PackedField[];
    };

const TYPES: Readonly<Record<string, new (message?: string) => Error>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** Packs what was thrown, whatever it is. Never throws. */
export function packError(thrown: unknown): PackedError {
  return pack(thrown, new Set<unknown>()) ?? { kind: 'value', value: print(thrown) };
}

function pack(value: unknown, seen: Set<unknown>): PackedError | undefined {
  if (value instanceof Error) {
    if (seen.has(value)) return undefined;
    seen.add(value);
    return {
      kind: 'error',
      type: typeOf(value),
      branded: HOLDFAST_ERROR in value,
      fields: packFields(value, seen),
    };
  }
  if (Array.isArray(value) && value.some((item) => item instanceof Error)) {
    return {
      kind: 'list',
      items: value.map((item) => pack(item, seen)).filter((item) => item !== undefined),
    };
  }
  return isCloneable(value) ? { kind: 'value', value } : undefined;
}

function packFields(error: Error, seen: Set<unknown>): readonly PackedField[] {
  const fields: PackedField[] = [];
  for (const key of new Set(['name', 'message', 'stack', 'code', ...Object.getOwnPropertyNames(error)])) {
    const value = pack(read(error, key), seen);
    const own = Object.getOwnPropertyDescriptor(error, key);
    if (value !== undefined && (own !== undefined || key in error))
      fields.push({ key, enumerable: own?.enumerable ?? false, value });
  }
  return fields;
}

function read(error: Error, key: string): unknown {
  try {
    return Reflect.get(error, key);
  } catch {
    return undefined;
  }
}

function typeOf(error: Error): string {
  if (error instanceof DOMException) return 'DOMException';
  if (error instanceof AggregateError) return 'AggregateError';
  return Object.keys(TYPES).find((type) => error instanceof (TYPES[type] ?? Error)) ?? 'Error';
}

function print(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** What was thrown, rebuilt: an Error of its built-in class with all it had, or the value itself. */
export function unpackError(packed: PackedError): unknown {
  if (packed.kind === 'value') return packed.value;
  if (packed.kind === 'list') return packed.items.map(unpackError);
  const error = create(packed.type);
  for (const { key, enumerable, value } of packed.fields) {
    Object.defineProperty(error, key, {
      value: unpackError(value),
      enumerable,
      writable: true,
      configurable: true,
    });
  }
  if (packed.branded) Object.defineProperty(error, HOLDFAST_ERROR, { value: true });
  return error;
}

function create(type: string): Error {
  if (type === 'AggregateError') return new AggregateError([]);
  if (type === 'DOMException') return new DOMException();
  return new (TYPES[type] ?? Error)();
}
