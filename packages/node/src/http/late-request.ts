/**
 * Requests that come on open connections after the server has stopped listening. A client that was not told to leave may send
 * one; it is answered, so that it can tell a refusal from a failure, and told to leave.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { ShuttingDownError, toProblem, type ProblemAnswer } from '@holdfast/core';

/** How long the body of a refused request is read before it is answered; an unread body would reset the connection. */
const BODY_LIMIT_MS = 1_000;

/** The path of a request target, without its query. */
export function pathOf(target: string | undefined): string {
  return (target ?? '/').replace(/[?#].*$/s, '');
}

/** Whether a path is one that probes and scrapers ask for. */
export function isHealthRoute(path: string): boolean {
  return /\/(?:livez|startupz|readyz|metrics)\/?$/.test(path);
}

function refusal(service: string): ProblemAnswer {
  const answer = toProblem(new ShuttingDownError(service, { retryAfterMs: 1_000 }));
  if (answer === undefined) throw new Error('A shutdown has an answer'); // the table has a row for it
  return answer;
}

/** Answers 503, once the body has been read; at once where its client waits to be asked for it. */
export function refuseRequest(
  service: string,
  request: IncomingMessage,
  response: ServerResponse,
  bodyComes: boolean,
): void {
  const answer = (): void => {
    clearTimeout(timer);
    if (response.headersSent || response.destroyed) return;
    const { status, headers, body } = refusal(service);
    const text = JSON.stringify(body);
    response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(text) }).end(text);
  };
  const timer = setTimeout(answer, bodyComes ? BODY_LIMIT_MS : 0);
  request.once('end', answer).once('close', answer).resume();
}

/** Answers 503 on a stream of HTTP/2. */
export function refuseStream(service: string, stream: ServerHttp2Stream): void {
  const { status, headers, body } = refusal(service);
  stream.respond({
    ':status': status,
    'content-type': headers['Content-Type'],
    'retry-after': headers['Retry-After'],
  });
  stream.end(JSON.stringify(body));
}

/** Answers 503 where the client wanted to speak another protocol. */
export function refuseUpgrade(service: string, socket: Duplex): void {
  const { status, headers, body } = refusal(service);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const text = JSON.stringify(body);
  lines.unshift(`HTTP/1.1 ${status} ${body.title}`);
  lines.push(`Content-Length: ${Buffer.byteLength(text)}`, '', text);
  socket.end(lines.join('\r\n'));
}
