/**
 * What the headers of a request ask of its scope: an id to be known by, and how long the caller will wait. The time is relative,
 * so that clocks need not agree, and it only ever shortens what the server allows.
 */
import { MAX_TIMER_MS } from '../options/checks.ts';
import { Deadline } from '../signal/deadline.ts';

/** Header that carries how much longer the caller waits, in whole milliseconds. */
export const DEADLINE_HEADER = 'x-request-timeout-ms';

/** Header that carries the id of a request from hop to hop. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** What a scope is opened with. */
export interface InboundScope {
  readonly id: string | undefined;
  readonly deadline: Deadline | undefined;
}

const ID = /^[\w.~:/+=-]{1,128}$/;
const MILLISECONDS = /^\d{1,15}$/;

/** Reads both headers; a value that is not well-formed counts as absent. */
export function inboundScope(header: (name: string) => string | null | undefined): InboundScope {
  const id = header(REQUEST_ID_HEADER);
  const waitMs = header(DEADLINE_HEADER);
  return {
    id: typeof id === 'string' && ID.test(id) ? id : undefined,
    deadline:
      typeof waitMs === 'string' && MILLISECONDS.test(waitMs)
        ? Deadline.after(Math.min(Number(waitMs), MAX_TIMER_MS))
        : undefined,
  };
}
