/// <reference lib="esnext.disposable" />
/** A subscriber on a real socket that takes everything, for tests. Not a test file itself. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A listening subscriber. */
export interface Subscriber extends AsyncDisposable {
  readonly url: string;
  /** Ids of what arrived. */
  readonly ids: readonly string[];
}

/** Listens on a free port, and answers each delivery after so many milliseconds, or not before `latency` has resolved. */
export async function subscribe(latency: number | Promise<void> = 0): Promise<Subscriber> {
  const ids: string[] = [];
  const server = createServer((request, response) => {
    ids.push(String(request.headers['idempotency-key']));
    const answer = (): unknown => response.writeHead(204).end();
    request.resume().once('end', () => {
      if (typeof latency === 'number') setTimeout(answer, latency);
      else void latency.then(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ids,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
