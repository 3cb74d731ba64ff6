/** Names and ids as BullMQ takes them: no colon, no whole number, and of a length that any key bears. */
import { createHash } from 'node:crypto';

const PLAIN = /^[\w.-]{1,64}$/u;

/** A queue's name; `queueNamed` reads it back. */
export function encodeName(name: string): string {
  // what encodeURIComponent leaves as it is and our own names below are made with
  return encodeURIComponent(wellFormed(name)).replaceAll('~', '%7E');
}

/** Where the dead letters of the queue are, by its encoded name. No queue of a user has this name. */
export function deadName(encoded: string): string {
  return `${encoded}~dead`;
}

/** The queue that holds the names of all queues. */
export const NAMES = '~queues';

/** An id as it is where nothing is special in it, else its hash. */
export function encodeId(id: string): string {
  if (PLAIN.test(id)) return `i.${id}`;
  // in 16 bits a character, since not every string has a form in UTF-8
  return `h.${createHash('sha256').update(Buffer.from(id, 'utf16le')).digest('base64url')}`;
}

/** Halves of characters stay apart, spelled out; two names do not become one by it as long as nobody spells like this. */
function wellFormed(name: string): string {
  return name.replaceAll(
    /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g,
    (half) => `~u${half.charCodeAt(0).toString(16)}`,
  );
}
