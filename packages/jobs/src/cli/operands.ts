/** Reads what was typed. */
import { UsageError } from './usage-error.ts';

/** A whole number. */
export function wholeNumber(what: string, typed: string, min: number, max: number): number {
  const number = Number(typed);
  if (/^\d+$/u.test(typed) && number >= min && number <= max) return number;
  throw new UsageError(`${what} must be a whole number between ${min} and ${max}, got ${typed}`);
}

/** A JSON value. */
export function json(what: string, typed: string): unknown {
  try {
    return JSON.parse(typed);
  } catch {
    throw new UsageError(`${what} must be JSON, such as '{"to":"ada"}' or '"text"'`);
  }
}

/** Headers, each as name=value. */
export function headers(typed: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    typed.map((header) => {
      const split = header.indexOf('=');
      if (split < 1) throw new UsageError(`--header must be name=value, got ${header}`);
      return [header.slice(0, split), header.slice(split + 1)];
    }),
  );
}
