/** Which requests may be sent again: those whose method or key makes a second one harmless, if their body can be read again. */

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** What a request is made of, as `fetch` takes it. */
export interface Outgoing {
  readonly method: string;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Whether the request may be sent again after it may have been received. */
export function replayable({ method, headers, body }: Outgoing): boolean {
  const harmless = IDEMPOTENT.has(method.toUpperCase()) || headers.has('idempotency-key');
  return harmless && rereadable(body);
}

function rereadable(body: unknown): boolean {
  return (
    body === undefined ||
    body === null ||
    typeof body === 'string' ||
    body instanceof URLSearchParams ||
    body instanceof Blob ||
    body instanceof FormData ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body)
  );
}
