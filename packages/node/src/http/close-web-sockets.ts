/**
 * WebSockets that leave in order: at the intake phase each is closed with 1001 ("going away"), spread over a while, so that their
 * clients do not fall upon the next instance all at once. `drainServer` waits for them and cuts those that stay.
 */
import type { Service } from '@holdfast/core';
import { controlOf, linkAbort, unlinkAbort, type AbortListener } from '@holdfast/core/internal';

/** An open WebSocket, as the `ws` package has it. */
export interface ClosableSocket {
  close(code: number, reason: string): void;
}

/** What holds the open sockets: a `WebSocketServer` of the `ws` package, or anything with as much. */
export interface SocketHolder {
  readonly clients: Iterable<ClosableSocket>;
}

const GOING_AWAY = 1_001;
const LONGEST_SPREAD_MS = 2_000;

/** Closes the sockets of `holder` when the service goes; disposing the handle takes that back. */
export function closeWebSockets(service: Service, holder: SocketHolder): Disposable {
  const intake = service.signalAt('intake');
  const listener: AbortListener = {
    onAbort: () => closeAll(holder, Math.min(LONGEST_SPREAD_MS, controlOf(service).budgetMs / 5)),
  };
  if (intake.aborted) listener.onAbort(intake.reason);
  else linkAbort(intake, listener);
  return { [Symbol.dispose]: () => unlinkAbort(intake, listener) };
}

function closeAll(holder: SocketHolder, spreadMs: number): void {
  const sockets = [...holder.clients];
  sockets.forEach((socket, index) => {
    setTimeout(
      () => socket.close(GOING_AWAY, 'The server is going away'),
      (spreadMs * index) / sockets.length,
    );
  });
}
