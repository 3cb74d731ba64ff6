/**
 * Checks of options, run once at construction: the wrong type is a TypeError, the right type with a bad value a RangeError,
 * both naming option and value, both with Node's own codes. Each check takes the value as it came and returns it typed.
 */

/** Longest delay a timer can hold, in milliseconds; a longer one would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** A RangeError where the value has the right type, else a TypeError, naming option and value. */
function wrong(type: string, option: string, expected: string, value: unknown): Error {
  const plain = typeof value === 'string' ? JSON.stringify(value) : String(value);
  const message = `${option} must be ${expected}, got ${Object(value) === value ? typeof value : plain}`;
  return typeof value === type
    ? Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' })
    : Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** A TypeError saying that `option` has the wrong type. */
export function invalidType(option: string, expected: string, value: unknown): Error {
  return wrong('', option, expected, value);
}

/** A RangeError saying that `option` is outside what it may be. */
export function outOfRange(option: string, expected: string, value: unknown): Error {
  return wrong(typeof value, option, expected, value);
}

/** A value of this type. */
export function checkType(option: string, value: unknown, type: 'boolean' | 'function' | 'string'): void {
  if (typeof value !== type) throw wrong(type, option, `a ${type}`, value);
}

/** A function. */
export function checkFunction(option: string, value: unknown): void {
  checkType(option, value, 'function');
}

/** A function, or nothing. */
export function checkOptionalFunction(option: string, value: unknown): void {
  if (value !== undefined) checkFunction(option, value);
}

/** An object that is no array. */
export function checkObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || !value || Array.isArray(value))
    throw invalidType(what, 'an object', value);
}

/** An options object with no key but the ones listed; a key that nobody reads is a mistake somebody made. */
export function checkOptions(what: string, value: unknown, keys?: readonly string[]): void {
  checkObject(what, value);
  if (keys === undefined) return;
  const known = `absent (known options: ${keys.join(', ')})`;
  for (const [key, given] of Object.entries(value as object))
    if (!keys.includes(key)) throw invalidType(`${what}.${key}`, known, given);
}

/** A name: a string that is not empty. */
export function checkName(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw wrong('string', option, 'a non-empty string', value);
}

/** A number between `min` and `max`, both included, and a whole one where `whole` says so. */
export function checkBetween(
  option: string,
  value: unknown,
  min: number,
  max: number,
  whole = false,
): number {
  // Infinity leaves no remainder that is a number
  if (typeof value === 'number' && value >= min && value <= max && !(whole && value % 1)) return value;
  throw wrong('number', option, `a ${whole ? 'whole ' : ''}number between ${min} and ${max}`, value);
}

/** A whole number from `min` up, or `Infinity` where `infinity` is allowed. */
export function checkInteger(option: string, value: unknown, min: number, infinity = false): number {
  return checkBetween(option, value, min, infinity ? Infinity : Number.MAX_SAFE_INTEGER, true);
}

/** A share: above 0, at most 1. */
export function checkRate(option: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= 1) return value;
  throw wrong('number', option, 'a number above 0 and at most 1', value);
}

/** A time-out in milliseconds: above 0, no longer than a timer can be, or `Infinity` for none. */
export function checkTimeoutMs(option: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && (value <= MAX_TIMER_MS || value === Infinity)) return value;
  throw wrong('number', option, `a number above 0 and at most ${MAX_TIMER_MS}, or Infinity`, value);
}

/** A delay or wait in milliseconds: 0 or more, no longer than a timer can be, or `Infinity` where allowed. */
export function checkDelayMs(option: string, value: unknown, infinity = false): number {
  if (infinity && value === Infinity) return Infinity;
  return checkBetween(option, value, 0, MAX_TIMER_MS);
}

/** One of the names listed. */
export function checkOneOf<T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === value);
  if (found !== undefined) return found;
  throw wrong('string', option, `one of ${allowed.join(', ')}`, value);
}

/** True or false. */
export function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidType(option, 'a boolean', value);
  return value;
}
