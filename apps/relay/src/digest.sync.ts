/** Digests by scrypt, which takes from milliseconds to a second of pure computing: for a worker thread, never for the event loop. */
import { scryptSync } from 'node:crypto';
import type { DigestOrder } from './event.ts';

const salt = 'holdfast relay'; // one and the same, so that equal texts have equal digests
const blockSize = 8;

/** The digest of a text, in hexadecimal. */
export function digest({ text, cost }: DigestOrder): string {
  const N = 2 ** cost;
  return scryptSync(text, salt, 32, { N, r: blockSize, p: 1, maxmem: 256 * N * blockSize }).toString('hex');
}
