/** Core's health handler on Node's own request and response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { healthHandler, type Service } from '@holdfast/core';

/** Answers a request for health or metrics. */
export type AnswerHealth = (
  request: Pick<IncomingMessage, 'method' | 'url'>,
  response: ServerResponse,
) => Promise<void>;

/** Makes the handler; the last segment of the path decides what it answers. */
export function answerHealth(service: Service): AnswerHealth {
  const answer = healthHandler(service);
  return async ({ method = 'GET', url = '/' }, response) => {
    const { status, headers, body } = await answer(new Request(new URL(url, 'http://localhost'), { method }));
    response.writeHead(status, Object.fromEntries(headers));
    response.end(body === null ? undefined : Buffer.from(await new Response(body).arrayBuffer()));
  };
}
