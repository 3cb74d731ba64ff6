import { EventEmitter, once } from 'node:events';
import { ServerResponse, createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { Service, isHoldfastError, type ScopeHandle } from '@holdfast/core';
import { openRequestScope, requestScopeOf } from '@holdfast/node/internal';
import { afterEach, describe, expect, it } from 'vitest';

const service = new Service({ name: 'test' });
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  stops.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Sends `text` on one connection; leaving it is up to the test. */
function talk(port: number, text: string): { leave(): void } {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(text);
  return { leave: () => socket.destroy() };
}

function open(request: IncomingMessage, response: ServerResponse, timeoutMs?: number): ScopeHandle {
  return openRequestScope(service, request, response, { timeoutMs });
}

function reasonOf(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
}

describe('the scope of a request', () => {
  it('is found again by its response', async () => {
    const port = await serve((request, response) => {
      expect(requestScopeOf(response)).toBeUndefined();
      const handle = open(request, response);
      response.end(String(requestScopeOf(response) === handle.scope));
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('true');
  });

  it('takes id and deadline from headers', async () => {
    const port = await serve((request, response) => {
      const { scope } = open(request, response, 60_000);
      response.end(JSON.stringify({ id: scope.id, remainingMs: scope.deadline?.remainingMs }));
    });
    const headers = { 'x-request-id': 'order-7', 'x-request-timeout-ms': '1000' };
    const answer = await (await fetch(`http://127.0.0.1:${port}/`, { headers })).json();
    expect(answer).toEqual({ id: 'order-7', remainingMs: expect.closeTo(500, -3) });
  });

  it('opened once more is the same request, with no more time than before', async () => {
    const port = await serve((request, response) => {
      const outer = open(request, response, 1_000).scope;
      const inner = open(request, response, 60_000).scope;
      const shorter = open(request, response, 10).scope;
      const times = [outer, inner, shorter].map(({ deadline }) => deadline?.remainingMs ?? Infinity);
      response.end(JSON.stringify({ ids: new Set([outer.id, inner.id, shorter.id]).size, times }));
    });
    const { ids, times } = (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as {
      ids: number;
      times: [number, number, number];
    };
    expect(ids).toBe(1);
    expect(times[1]).toBeLessThanOrEqual(1_000);
    expect(times[2]).toBeLessThanOrEqual(10);
  });

  it('aborts when the caller leaves, and when it leaves while its request waits behind another', async () => {
    const reasons: Promise<unknown>[] = [];
    const reached = new EventEmitter();
    const both = once(reached, 'both');
    const port = await serve((request, response) => {
      reasons.push(reasonOf(open(request, response).scope.signal));
      if (reasons.length === 2) reached.emit('both');
    });
    const request = 'GET / HTTP/1.1\r\nHost: test\r\n\r\n';
    const caller = talk(port, request + request);
    await both;
    caller.leave();
    const codes = (await Promise.all(reasons)).map((reason) => isHoldfastError(reason, 'DISCONNECTED'));
    expect(codes).toEqual([true, true]);
  });

  it('does not take a request for one that left because its body is read while it waits behind another', async () => {
    const ends = new EventEmitter();
    const ended = once(ends, 'end');
    const first: ServerResponse[] = [];
    const port = await serve((request, response) => {
      const { scope } = open(request, response);
      if (request.url === '/first') first.push(response);
      else {
        scope.background(() => ends.emit('end', scope.signal.aborted), { after: 'response' });
        request.resume().on('close', () => {
          response.end();
          first[0]?.end();
        });
      }
    });
    const head = 'HTTP/1.1\r\nHost: test\r\n';
    const caller = talk(port, `GET /first ${head}\r\nPOST /second ${head}Content-Length: 4\r\n\r\nbody`);
    expect(await ended).toEqual([false]);
    caller.leave();
  });

  it('ends with a response that was made up without a socket, as test tools do', async () => {
    const request = { method: 'GET', headers: {}, httpVersionMajor: 1, httpVersionMinor: 1 };
    // what light-my-request does
    const response = new ServerResponse(request as unknown as IncomingMessage);
    const { scope } = openRequestScope(service, request as unknown as IncomingMessage, response, {});
    const ended = new Promise((resolve) => {
      scope.background(() => resolve(scope.signal.aborted), { after: 'response' });
    });
    response.assignSocket(new PassThrough() as unknown as Socket);
    response.end('ok');
    expect(await ended).toBe(false);
  });

  it('ends without an abort when the response is finished, also before the request is', async () => {
    const ends = new EventEmitter();
    const ended = once(ends, 'end');
    const port = await serve((request, response) => {
      const { scope } = open(request, response);
      const { signal } = scope;
      scope.background(() => ends.emit('end', signal.aborted), { after: 'response' });
      response.writeHead(413).end();
    });
    const caller = talk(port, 'POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nsome');
    expect(await ended).toEqual([false]);
    caller.leave();
  });
});
