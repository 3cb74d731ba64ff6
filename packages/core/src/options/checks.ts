/**
 * Checks of options, run once at construction: the wrong type is a TypeError, the right type with a bad value a RangeError,
 * both naming option and value, both with Node's own codes. Each check takes the value as it came and returns it typed.
 */

/** Longest delay a timer can hold, in milliseconds; a longer one would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** A TypeError saying that `option` has the wrong type. */
export function invalidType(option: string, expected: string, value: unknown): TypeError {
  return Object.assign(new TypeError(`${option} must be ${expected}, got ${show(value)}`), {
    code: 'ERR_INVALID_ARG_TYPE',
  });
}

/** A RangeError saying that `option` is outside what it may be. */
export function outOfRange(option: string, expected: string, value: unknown): RangeError {
  return Object.assign(new RangeError(`${option} must be ${expected}, got ${show(value)}`), {
    code: 'ERR_OUT_OF_RANGE',
  });
}

/** A function. */
export function checkFunction(option: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidType(option, 'a function', value);
}

/** A function, or nothing. */
export function checkOptionalFunction(option: string, value: unknown): void {
  if (value !== undefined) checkFunction(option, value);
}

/** An options object with no key but the ones listed; a key that nobody reads is a mistake somebody made. */
export function checkOptions(what: string, value: unknown, keys?: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidType(what, 'an object', value);
  if (keys === undefined) return;
  for (const key of Object.keys(value)) {
    if (!keys.includes(key))
      throw invalidType(
        `${what}.${key}`,
        `absent (known options: ${keys.join(', ')})`,
        Reflect.get(value, key),
      );
  }
}

/** A name: a string that is not empty. */
export function checkName(option: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidType(option, 'a string', value);
  if (value === '') throw outOfRange(option, 'a non-empty string', value);
  return value;
}

function checkNumber(option: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(option, 'a number', value);
  if (Number.isNaN(value)) throw outOfRange(option, 'a number', value);
  return value;
}

/** A whole number from `min` up, or `Infinity` where `infinity` is allowed. */
export function checkInteger(option: string, value: unknown, min: number, infinity = false): number {
  const number = checkNumber(option, value);
  if (number >= min && (Number.isSafeInteger(number) || (infinity && number === Infinity))) return number;
  throw outOfRange(option, `a whole number from ${min} up${infinity ? ', or Infinity' : ''}`, value);
}

/** A number between `min` and `max`, both included. */
export function checkBetween(option: string, value: unknown, min: number, max: number): number {
  const number = checkNumber(option, value);
  if (number >= min && number <= max) return number;
  throw outOfRange(option, `between ${min} and ${max}`, value);
}

/** A share: above 0, at most 1. */
export function checkRate(option: string, value: unknown): number {
  const number = checkNumber(option, value);
  if (number > 0 && number <= 1) return number;
  throw outOfRange(option, 'above 0 and at most 1', value);
}

/** A time-out in milliseconds: above 0, no longer than a timer can be, or `Infinity` for none. */
export function checkTimeoutMs(option: string, value: unknown): number {
  const number = checkNumber(option, value);
  if (number > 0 && (number <= MAX_TIMER_MS || number === Infinity)) return number;
  throw outOfRange(option, `above 0 and at most ${MAX_TIMER_MS} ms, or Infinity`, value);
}

/** A delay or wait in milliseconds: 0 or more, no longer than a timer can be, or `Infinity` where allowed. */
export function checkDelayMs(option: string, value: unknown, infinity = false): number {
  const number = checkNumber(option, value);
  if (number >= 0 && (number <= MAX_TIMER_MS || (infinity && number === Infinity))) return number;
  throw outOfRange(option, `between 0 and ${MAX_TIMER_MS} ms${infinity ? ', or Infinity' : ''}`, value);
}

/** One of the names listed. */
export function checkOneOf<T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  if (typeof value !== 'string') throw invalidType(option, `one of ${allowed.join(', ')}`, value);
  const found = allowed.find((name) => name === value);
  if (found === undefined) throw outOfRange(option, `one of ${allowed.join(', ')}`, value);
  return found;
}

/** True or false. */
export function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidType(option, 'a boolean', value);
  return value;
}
