/** The receiver over HTTP: every POST is a delivery, `GET /received` says what came. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { sleep } from '@holdfast/core';
import type { ReceiverConfig } from './environment.ts';
import { Tally } from './tally.ts';

/** Makes the listener. A delivery is counted when it has arrived whole, and answered after the latency: 204, or 503 as scheduled. */
export function receiver({
  failures,
  latencyMs,
}: Pick<ReceiverConfig, 'failures' | 'latencyMs'>): RequestListener {
  const tally = new Tally(failures);
  return (request, response) => {
    void answer(request, response).catch(() => response.destroy());
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET' && request.url === '/received') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(tally.received));
      return;
    }
    for await (const _ of request);
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST') response.statusCode = 404;
    else if (typeof key !== 'string') response.statusCode = 400;
    else {
      response.statusCode = tally.take(key) ? 204 : 503;
      if (latencyMs > 0) await sleep(latencyMs);
    }
    response.end();
  }
}
