/**
 * Server-sent events that know of the shutdown. A stream lives until its client leaves or the intake phase begins; then its clients
 * are told when to come again, each at another moment, so that they do not fall upon the next instance all at once.
 */
import { DisconnectedError, type Service } from '@holdfast/core';
import { LazyAbort, linkAbort, unlinkAbort, type AbortListener } from '@holdfast/core/internal';
import { whenResponseEnds, type NodeResponse } from './response-end.ts';

/** One event of a stream. */
export interface ServerSentEvent {
  /** Sent line by line. */
  readonly data: string;
  /** Name of the event. @default 'message' */
  readonly event?: string | undefined;
  /** What the client says it saw last when it comes again. */
  readonly id?: string | undefined;
}

/** An open stream of events. */
export interface EventStream {
  /** Aborts when the client leaves (DisconnectedError) or the service goes (ShuttingDownError). */
  readonly signal: AbortSignal;
  /** Sends an event; false where the client reads slower than that, or the stream is over. */
  send(event: ServerSentEvent): boolean;
  /** Ends the stream. */
  end(): void;
}

/** Clients come again after this many milliseconds, at least and at most. */
const RETRY_MS = { min: 500, max: 5_000 };

/**
 * Answers a request with a stream of events.
 *
 * @example
 * const stream = eventStream(service, response);
 * for await (const price of prices(stream.signal)) stream.send({ data: JSON.stringify(price) });
 */
export function eventStream(service: Service, response: NodeResponse): EventStream {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  return new Stream(service.signalAt('intake'), response);
}

class Stream implements EventStream, AbortListener {
  readonly #response: NodeResponse;
  readonly #abort: LazyAbort = new LazyAbort();
  #over = false;

  constructor(intake: AbortSignal, response: NodeResponse) {
    this.#response = response;
    whenResponseEnds(response, () => {
      unlinkAbort(intake, this);
      if (this.#over) return;
      this.#over = true;
      this.#abort.abort(new DisconnectedError());
    });
    if (intake.aborted) this.onAbort(intake.reason);
    else {
      linkAbort(intake, this);
      this.#write(':\n\n'); // the head goes out with it
    }
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  send({ data, event, id }: ServerSentEvent): boolean {
    const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`);
    if (event !== undefined) lines.unshift(`event: ${oneLine(event)}`);
    if (id !== undefined) lines.unshift(`id: ${oneLine(id)}`);
    return this.#write(`${lines.join('\n')}\n\n`);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#response.end();
  }

  /** The service goes. */
  onAbort(reason: unknown): void {
    if (this.#over) return;
    const retryMs = Math.round(RETRY_MS.min + Math.random() * (RETRY_MS.max - RETRY_MS.min));
    this.#write(`retry: ${retryMs}\n\n`);
    this.#abort.abort(reason);
    this.end();
  }

  #write(text: string): boolean {
    const sink: { write(text: string): boolean } = this.#response;
    return !this.#over && sink.write(text);
  }
}

/** A field of an event is one line. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
