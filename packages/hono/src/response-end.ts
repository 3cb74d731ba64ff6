/**
 * When a response has ended, on whatever runtime. On Node the server's own response says so. Elsewhere the body is read through,
 * with a buffer of two pieces: enough to see the end of a body that is all there, whether or not anybody reads it.
 */
import type { ScopeHandle } from '@holdfast/core';
import { linkAbort, unlinkAbort, type AbortListener } from '@holdfast/core/internal';
import type { Context } from 'hono';

/** The parts of Node's request and response that matter here, as `@hono/node-server` puts them into `c.env`. */
export interface NodeBindings {
  readonly incoming: Emitter & { readonly headers: Readonly<Record<string, string | string[] | undefined>> };
  readonly outgoing: Emitter & {
    readonly writableFinished: boolean;
    readonly destroyed: boolean;
    readonly socket: unknown;
    /** Over HTTP/2, where a stream that was reset counts as finished, too. */
    readonly stream?: { readonly rstCode?: number | undefined } | undefined;
  };
}

interface Emitter {
  once(event: 'close', listener: () => void): unknown;
}

/** Node's side of this request, where there is one. */
export function nodeBindings(c: Context): NodeBindings | undefined {
  const env: Partial<NodeBindings> | undefined = c.env;
  return typeof env?.outgoing?.once === 'function' && typeof env.incoming?.once === 'function'
    ? (env as NodeBindings)
    : undefined;
}

/** Ends `handle` with Node's response; a response closed before it was finished means that the caller left. */
export function endWithNode({ incoming, outgoing }: NodeBindings, handle: ScopeHandle): void {
  const close = (): void => {
    const isReset = (outgoing.stream?.rstCode ?? 0) !== 0;
    if (outgoing.writableFinished && !isReset) handle.end();
    else handle.disconnect();
  };
  outgoing.once('close', close);
  // A response that waits behind a pipelined one gets no `close` when the connection goes; its request does.
  if (outgoing.socket === null) incoming.once('close', close);
}

/** Ends a scope where the runtime shows the caller only as an AbortSignal, and the response only as a stream. */
export class WebResponseEnd implements AbortListener {
  readonly #handle: ScopeHandle;
  readonly #caller: AbortSignal | undefined;

  constructor(handle: ScopeHandle, caller: AbortSignal | undefined) {
    this.#handle = handle;
    this.#caller = caller;
    if (caller?.aborted) this.onAbort();
    else if (caller !== undefined) linkAbort(caller, this);
  }

  /** The caller left. */
  onAbort(): void {
    this.#handle.disconnect();
  }

  /** Returns `response` with a body that tells when it was sent. */
  watch(response: Response, method: string): Response {
    if (response.body === null || method === 'HEAD') {
      this.end();
      return response;
    }
    return new Response(this.#through(response.body), response);
  }

  /** Ends the scope. */
  end(): void {
    if (this.#caller !== undefined) unlinkAbort(this.#caller, this);
    this.#handle.end();
  }

  #through(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { done, value } = await reader.read();
            if (!done) return controller.enqueue(value);
            controller.close();
          } catch (error) {
            controller.error(error);
          }
          this.end();
        },
        cancel: async (reason) => {
          this.onAbort();
          this.end();
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 2 },
    );
  }
}
