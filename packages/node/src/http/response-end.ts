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

/** What waits for responses that stand behind another one on their socket. */
const queuedOn = new WeakMap<Socket, Set<() => void>>();

/** Whether `response` belongs to an HTTP/2 stream. */
function isHttp2(response: NodeResponse): response is Http2ServerResponse {
  return 'stream' in response;
}

/** Calls `ended` once the response is over: later, or on the next tick where it is over already. */
export function whenResponseEnds(response: NodeResponse, ended: WhenEnded): void {
  if (isHttp2(response)) {
    watchStream(response, ended);
    return;
  }
  const tell = (): void => ended(response.writableFinished);
  const socket: Socket | undefined = response.req.socket;
  if (response.closed) process.nextTick(tell);
  else if (response.socket !== null) response.on('close', tell);
  else if (socket === undefined) watchInjected(response, tell);
  else watchQueued(response, socket, tell);
}

function watchStream(response: Http2ServerResponse, ended: WhenEnded): void {
  const { stream } = response;
  const tell = (): void => ended(response.writableEnded && stream.rstCode === 0);
  if (stream.closed || stream.destroyed) process.nextTick(tell);
  else stream.once('close', tell);
}

/** A response to a request that was made up, as test tools do, has no socket. */
function watchInjected(response: ServerResponse, tell: () => void): void {
  const tellOnce = (): void => {
    response.off('finish', tellOnce).off('close', tellOnce);
    tell();
  };
  response.on('finish', tellOnce).on('close', tellOnce);
}

/** A response that stands behind another one: it gets a socket later, or none where the caller leaves before. */
function watchQueued(response: ServerResponse, socket: Socket, tell: () => void): void {
  const queued = queueOn(socket);
  const tellOnce = (): void => {
    if (queued.delete(tellOnce)) tell();
  };
  queued.add(tellOnce);
  if (socket.destroyed) process.nextTick(tellOnce);
  response.on('close', tellOnce);
}

function queueOn(socket: Socket): Set<() => void> {
  let queued = queuedOn.get(socket);
  if (queued === undefined) {
    const made = (queued = new Set<() => void>());
    queuedOn.set(socket, made);
    socket.once('close', () => {
      for (const tell of made) tell();
    });
  }
  return queued;
}
