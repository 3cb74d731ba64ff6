/**
 * Names of queues and ids of jobs as NATS can bear them: no dots, spaces or wildcards, and not too long. What is plain stays
 * readable; the rest is written as bytes, and what gets too long, or has no bytes, as a digest. No two are alike.
 */
import { createHash } from 'node:crypto';

const MAX_LENGTH = 120;

/** A part of a subject or of the name of a stream. */
export function tokenOf(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let token = '';
  for (const byte of bytes) {
    const character = String.fromCodePoint(byte);
    token += /[\dA-Za-z-]/u.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
  }
  if (token.length <= MAX_LENGTH && bytes.toString('utf8') === text) return token;
  // in 16 bits a character, since not every string has a form in UTF-8
  return `__${createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('hex')}`;
}

/** What belongs to one queue. */
export interface QueueNames {
  readonly jobs: { readonly stream: string; readonly subject: string };
  readonly dead: { readonly stream: string; readonly prefix: string };
  /** The subject of the records of starts, up to the number of the job. */
  readonly starts: string;
}

/** The names of one queue. */
export function namesOf(namespace: string, queue: string): QueueNames {
  const [head, token] = [tokenOf(namespace), tokenOf(queue)];
  return {
    jobs: { stream: `${head}_jobs_${token}`, subject: `${namespace}.jobs.${token}` },
    dead: { stream: `${head}_dead_${token}`, prefix: `${namespace}.dead.${token}` },
    starts: `${namespace}.starts.${token}`,
  };
}

/** The subjects of the jobs of all queues. */
export function allJobs(namespace: string): string {
  return `${namespace}.jobs.*`;
}

/** The stream of the records of starts, for all queues. */
export function startsOf(namespace: string): { readonly stream: string; readonly subject: string } {
  return { stream: `${tokenOf(namespace)}_starts`, subject: `${namespace}.starts.>` };
}
