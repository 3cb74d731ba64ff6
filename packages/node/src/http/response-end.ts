/**
 * When a response is over, and whether it was sent whole. `finish` is not enough, since it does not come when the caller leaves;
 * `close` is not either: on Node 20 a response that stands behind a pipelined one never emits it. So the socket is asked as well,
 * by one listener however many responses it has. Over HTTP/2 `writableFinished` is true also for a stream that was reset.
 */
import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';

/** Node's response, of HTTP/1 or HTTP/2. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** Told once; `finished` where all of the response was handed to the network. */
export type WhenEnded = (finished: boolean) => void;

const pendingOf = new WeakMap<Socket, Map<ServerResponse, WhenEnded[]>>();

/** Whether `response` belongs to an HTTP/2 stream. */
function isHttp2(response: NodeResponse): response is Http2ServerResponse {
  return 'stream' in response;
}

/** Calls `ended` once the response is over: later, or on the next tick where it is over already. */
export function whenResponseEnds(response: NodeResponse, ended: WhenEnded): void {
  if (isHttp2(response)) watchStream(response, ended);
  else watchSocket(response, ended);
}

function watchStream(response: Http2ServerResponse, ended: WhenEnded): void {
  const { stream } = response;
  const over = (): void => ended(response.writableEnded && stream.rstCode === 0);
  if (stream.closed || stream.destroyed) process.nextTick(over);
  else stream.once('close', over);
}

function watchSocket(response: ServerResponse, ended: WhenEnded): void {
  const socket: Socket | undefined = response.req.socket;
  if (socket === undefined) {
    watchInjected(response, ended);
    return;
  }
  const pending = pendingOn(socket);
  const waiting = pending.get(response);
  if (waiting !== undefined) {
    waiting.push(ended);
    return;
  }
  if (response.closed || socket.destroyed) {
    process.nextTick(() => ended(response.writableFinished));
    return;
  }
  pending.set(response, [ended]);
  response.once('close', () => tell(pending, response));
}

/** A response to a request that was made up, as test tools do, has no socket. */
function watchInjected(response: ServerResponse, ended: WhenEnded): void {
  let over = false;
  const tellOnce = (): void => {
    if (!over) ended(response.writableFinished);
    over = true;
  };
  response.once('finish', tellOnce).once('close', tellOnce);
}

function pendingOn(socket: Socket): Map<ServerResponse, WhenEnded[]> {
  let pending = pendingOf.get(socket);
  if (pending === undefined) {
    const made = (pending = new Map<ServerResponse, WhenEnded[]>());
    pendingOf.set(socket, made);
    socket.once('close', () => {
      for (const response of made.keys()) tell(made, response);
    });
  }
  return pending;
}

function tell(pending: Map<ServerResponse, WhenEnded[]>, response: ServerResponse): void {
  const waiting = pending.get(response);
  pending.delete(response);
  for (const ended of waiting ?? []) ended(response.writableFinished);
}
