/** Text that tells things apart in a database, and so has to come back as it was put in. */
import { checkName, outOfRange } from '@holdfast/core/internal';

/**
 * Checks a key or an id. PostgreSQL has no text with a NUL in it, and halves of surrogate pairs all become U+FFFD in UTF-8: two keys
 * would be one.
 */
export function checkKey(option: string, value: unknown): string {
  const key = checkName(option, value);
  if (!/[\0\p{Cs}]/u.test(key)) return key;
  throw outOfRange(option, 'text without NUL and without halves of surrogate pairs', JSON.stringify(key));
}
