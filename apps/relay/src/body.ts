/**
 * Reads a request's body as JSON, the same in every framework: the type first, then the size, then the text. It stops at the
 * limit whatever the length header said, and with the request's scope when the caller leaves or its time is up.
 */
import { withTimeout, type CallOptions } from '@holdfast/core';
import { RequestError } from './request-error.ts';

/** The parts of a request that its body is read from. */
export interface BodySource {
  /** A header by its name in lower case. */
  header(name: string): string | undefined;
  /** The bytes; leaving the iteration early must not destroy the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Reads the body of `request`.
 *
 * @throws RequestError UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE or BAD_REQUEST.
 */
export async function readJson(
  request: BodySource,
  { maxBytes, ...options }: CallOptions & { readonly maxBytes: number },
): Promise<unknown> {
  checkType(request);
  if (Number(request.header('content-length')) > maxBytes) throw tooLarge(maxBytes);
  const bytes = await withTimeout((ctx) => readBytes(request.body, maxBytes, ctx.signal), {
    ...options,
    timeoutMs: Number.POSITIVE_INFINITY,
    name: 'The body',
  });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RequestError('BAD_REQUEST', 'the body is not UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestError('BAD_REQUEST', 'the body is not JSON');
  }
}

function checkType(request: BodySource): void {
  const [type = '', ...parameters] = (request.header('content-type') ?? '').split(';');
  const encoding = request.header('content-encoding') ?? 'identity';
  const charset = parameters.map((text) => /^\s*charset\s*=\s*"?([^"\s]*)/i.exec(text)?.[1]).find(Boolean);
  if (type.trim().toLowerCase() !== 'application/json')
    throw new RequestError('UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json');
  if (encoding !== 'identity' || !/^(utf-?8)?$/i.test(charset ?? ''))
    throw new RequestError('UNSUPPORTED_MEDIA_TYPE', 'the body must be UTF-8, without a content encoding');
}

async function readBytes(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RequestError) throw error;
    throw new RequestError('BAD_REQUEST', 'the body ended before it was complete');
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(maxBytes: number): RequestError {
  return new RequestError('BODY_TOO_LARGE', `the body must have at most ${maxBytes} bytes`);
}
