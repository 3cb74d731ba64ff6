/** What HTTP says of errors: one table for Holdfast's own, the framework's ways for everything else. */
import {
  BulkheadFullError,
  CircuitOpenError,
  DisconnectedError,
  EngineUnavailableError,
  EnqueueTimeoutError,
  OverloadedError,
  PayloadInvalidError,
  PayloadTooLargeError,
  PoolFullError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  ShuttingDownError,
  TaskGroupClosedError,
  TaskLimitError,
  TimeoutError,
  WorkerCrashedError,
  isHoldfastError,
  type HoldfastError,
} from '@holdfast/core';
import { expect } from 'vitest';
import { serve, type Case } from './case.ts';
import { send, type Answer } from './client.ts';
import type { Framework } from './framework.ts';

interface Row {
  readonly error: HoldfastError;
  readonly status: number;
  readonly retryAfter?: string;
  readonly close?: boolean;
}

const table: readonly Row[] = [
  { error: new QueueFullError('orders', 10, 2_500), status: 503, retryAfter: '3' },
  { error: new BulkheadFullError('pay', 4, 8), status: 503, retryAfter: '1' },
  { error: new PoolFullError('digests', 16, 10_000), status: 503, retryAfter: '10' },
  { error: new TaskLimitError('tasks', 100), status: 503, retryAfter: '1' },
  { error: new RateLimitedError('search', 400), status: 503, retryAfter: '1' },
  { error: new OverloadedError('loop blocked', { retryAfterMs: 2_000 }), status: 503, retryAfter: '2' },
  { error: new EnqueueTimeoutError('jobs', 10_000), status: 503, retryAfter: '1' },
  { error: new EngineUnavailableError('no engine'), status: 503, retryAfter: '1' },
  { error: new CircuitOpenError('pay', 'open', { retryAfterMs: 4_001 }), status: 503, retryAfter: '5' },
  { error: new QueueClosedError('orders'), status: 503, retryAfter: '1', close: true },
  { error: new ShuttingDownError('relay'), status: 503, retryAfter: '1', close: true },
  { error: new TimeoutError('The call', 'total', 50), status: 504 },
  { error: new PayloadTooLargeError(20, 10), status: 413 },
  { error: new PayloadInvalidError('$', 'is a function'), status: 500 },
  { error: new TaskGroupClosedError('group'), status: 500 },
  { error: new WorkerCrashedError('digests', undefined), status: 500 },
];

async function answerTo(framework: Framework, error: unknown): Promise<Answer> {
  await using server = await serve(framework, {
    routes: {
      'GET /fail': async () => {
        throw error;
      },
    },
  });
  return await send(server.port, '/fail');
}

const rows: readonly Case[] = table.map(({ error, status, retryAfter, close }) => ({
  sentence: `answers ${error.code} with ${status}${retryAfter === undefined ? '' : ' and Retry-After'}${close ? ', and closes the connection' : ''}`,
  run: async (framework) => {
    const answer = await answerTo(framework, error);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.headers['retry-after']).toBe(retryAfter);
    if (close) expect(answer.headers.connection).toBe('close');
    expect(answer.json()).toMatchObject({
      type: expect.any(String),
      title: expect.any(String),
      detail: expect.any(String),
      status,
      code: error.code,
    });
  },
}));

async function* failingWith(failure: unknown): AsyncGenerator<string> {
  yield 'first';
  await Promise.resolve();
  throw failure;
}

async function brokenOff(framework: Framework, error: unknown): Promise<void> {
  let received = '';
  await using server = await serve(framework, {
    routes: { 'GET /stream': () => ({ stream: failingWith(error) }) },
  });
  const answer = send(server.port, '/stream', { onData: (piece) => (received += piece) });
  await expect(answer).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  expect(['', 'first']).toContain(received);
}

export const errorCases: readonly Case[] = [
  ...rows,
  {
    sentence: 'knows an error of another copy of Holdfast by its code',
    run: async (framework) => {
      const copy = Object.assign(new Error('from elsewhere'), {
        [Symbol.for('holdfast.error')]: true,
        code: 'QUEUE_FULL',
        retryAfterMs: undefined,
      });
      expect(isHoldfastError(copy, 'QUEUE_FULL')).toBe(true);
      const answer = await answerTo(framework, copy);
      expect(answer.status).toBe(503);
      expect(answer.json()).toMatchObject({ code: 'QUEUE_FULL' });
    },
  },
  {
    sentence: 'leaves an error that is not its own to the framework',
    run: async (framework) => {
      const answer = await answerTo(framework, new Error('boom'));
      expect(answer.status).toBe(500);
      expect(answer.headers['content-type']).not.toMatch(/problem/);
    },
  },
  {
    sentence: "keeps the status of the framework's own HTTP errors",
    run: async (framework) => {
      const answer = await answerTo(framework, framework.httpError(418));
      expect(answer.status).toBe(418);
      expect(answer.headers['content-type']).not.toMatch(/problem/);
    },
  },
  {
    sentence: 'leaves an unknown route to the framework',
    run: async (framework) => {
      await using server = await serve(framework, { routes: {} });
      const answer = await send(server.port, '/nowhere');
      expect(answer.status).toBe(404);
      expect(answer.headers['content-type']).not.toMatch(/problem/);
    },
  },
  {
    sentence: "does not leave a caller without an answer because somebody else's caller left",
    run: async (framework) => {
      const answer = await answerTo(framework, new DisconnectedError());
      expect(answer.status).toBe(500);
      expect(answer.headers['content-type']).not.toMatch(/problem/);
    },
  },
  {
    sentence: 'breaks off a response that fails after its headers were sent',
    run: (framework) => brokenOff(framework, new Error('boom')),
  },
  {
    sentence: "breaks off such a response for Holdfast's own errors too, without appending a problem",
    run: (framework) => brokenOff(framework, new TimeoutError('The call', 'total', 50)),
  },
];
