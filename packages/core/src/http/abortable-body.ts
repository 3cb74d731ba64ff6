/**
 * Keeps a caller's abort connected to a response's body after its headers have come: a guard ends with the headers, and its own
 * signal says nothing of the body. The link goes with the body's end, or with the response if nobody reads it.
 */
import { linkAbort, unlinkAbort, type AbortListener } from '../signal/abort-links.ts';

/** The same response with a body that ends with `signal.reason` when `signal` aborts. */
export function abortableBody(response: Response, signal: AbortSignal): Response {
  if (response.body === null) return response;
  const link = new BodyLink(response.body.getReader(), signal);
  if (signal.aborted) {
    link.onAbort(signal.reason);
    throw signal.reason;
  }
  linkAbort(signal, link);
  const body = new ReadableStream<Uint8Array>(new LinkedSource(link), { highWaterMark: 0 });
  unread.register(body, link);
  const same = new Response(body, response);
  // a response that is constructed has none of these
  for (const key of ['url', 'type', 'redirected'] as const)
    Object.defineProperty(same, key, { value: response[key], configurable: true });
  return same;
}

/** What the signal tells. It must not hold the new body, or a body that nobody reads would never be collected. */
class BodyLink implements AbortListener {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  target: WeakRef<ReadableStreamDefaultController> | undefined;
  readonly #signal: AbortSignal;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal) {
    this.reader = reader;
    this.#signal = signal;
  }

  onAbort(reason: unknown): void {
    this.target?.deref()?.error(reason);
    this.cancel(reason);
  }

  /** Lets the connection go. */
  cancel(reason?: unknown): void {
    this.unlink();
    this.reader.cancel(reason).catch(() => {});
  }

  unlink(): void {
    unlinkAbort(this.#signal, this);
  }
}

class LinkedSource {
  readonly #link: BodyLink;

  constructor(link: BodyLink) {
    this.#link = link;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#link.target = new WeakRef(controller);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const { done, value } = await this.#link.reader.read();
      if (!done) return controller.enqueue(value);
      controller.close();
    } catch (error) {
      controller.error(error);
    }
    this.#link.unlink();
  }

  cancel(reason: unknown): void {
    this.#link.cancel(reason);
  }
}

const unread = /* @__PURE__ */ new FinalizationRegistry<BodyLink>((link) => link.cancel());
