/** The request scope: one per request, from the door to the end of the response. */
import { setTimeout as delay } from 'node:timers/promises';
import { CircuitBreaker, currentScope, isHoldfastError } from '@holdfast/core';
import { expect } from 'vitest';
import { aborted, gate, serve, type Case } from './case.ts';
import { openConnection, send } from './client.ts';

const scoped: Case['run'] = async (framework) => {
  await using server = await serve(framework, {
    routes: { 'GET /id': ({ scope }) => ({ json: scope.id }) },
  });
  const [first, second] = await Promise.all([send(server.port, '/id'), send(server.port, '/id')]);
  expect(first.json()).toMatch(/./);
  expect(second.json()).not.toBe(first.json());
};

export const scopeCases: readonly Case[] = [
  { sentence: 'gives every request a scope with an id of its own', run: scoped },
  {
    sentence: 'takes the id of a scope from x-request-id',
    run: async (framework) => {
      await using server = await serve(framework, {
        routes: { 'GET /id': ({ scope }) => ({ json: scope.id }) },
      });
      const answer = await send(server.port, '/id', { headers: { 'x-request-id': 'order-7' } });
      expect(answer.json()).toBe('order-7');
    },
  },
  {
    sentence: 'finds the scope by currentScope() wherever the handler awaits',
    run: async (framework) => {
      await using server = await serve(framework, {
        routes: {
          'GET /scope': async ({ scope }) => {
            const before = currentScope() === scope;
            await delay(1);
            return { json: [before, currentScope() === scope] };
          },
        },
      });
      expect((await send(server.port, '/scope')).json()).toEqual([true, true]);
      expect(currentScope()).toBeUndefined();
    },
  },
  {
    sentence: 'finds the scope by currentScope() after a body was parsed',
    run: async (framework) => {
      await using server = await serve(framework, {
        routes: { 'POST /scope': ({ scope, body }) => ({ json: [currentScope() === scope, body] }) },
      });
      const body = { text: 'x'.repeat(100_000) };
      expect((await send(server.port, '/scope', { body })).json()).toEqual([true, body]);
    },
  },
  {
    sentence: 'does not abort the signal when a request ends well',
    run: async (framework) => {
      const signals: AbortSignal[] = [];
      const ended = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /hello': ({ scope }) => {
            signals.push(scope.signal);
            scope.background(() => ended.open(), { after: 'response' });
            return { json: 'hello' };
          },
        },
      });
      await send(server.port, '/hello');
      await ended.opened;
      await server.service.shutdown();
      expect(signals.map((signal) => signal.aborted)).toEqual([false]);
    },
  },
  {
    sentence: 'ends the scope when the body has been sent, not when the handler returns',
    run: async (framework) => {
      const events: string[] = [];
      const firstRead = gate();
      const ended = gate();
      async function* pieces(): AsyncGenerator<string> {
        yield 'first ';
        await firstRead.opened;
        events.push('last piece');
        yield 'last';
      }
      await using server = await serve(framework, {
        routes: {
          'GET /stream': ({ scope }) => {
            scope.background(
              () => {
                events.push('response ended');
                ended.open();
              },
              { after: 'response' },
            );
            return { stream: pieces() };
          },
        },
      });
      const answer = await send(server.port, '/stream', {
        onData: (piece) => {
          if (piece.startsWith('first')) events.push('first piece');
          firstRead.open();
        },
      });
      await ended.opened;
      expect(answer.text).toBe('first last');
      expect(events).toEqual(['first piece', 'last piece', 'response ended']);
    },
  },
  {
    sentence: 'ends the scope of a HEAD request',
    run: async (framework) => {
      const ended = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /hello': ({ scope }) => {
            scope.background(() => ended.open(), { after: 'response' });
            return { json: 'hello' };
          },
        },
      });
      const answer = await send(server.port, '/hello', { method: 'HEAD' });
      expect(answer.text).toBe('');
      await ended.opened;
    },
  },
  {
    sentence: 'aborts the signal with DISCONNECTED when the client leaves while the handler runs',
    run: async (framework) => {
      const client = new AbortController();
      const reason = gate<unknown>();
      await using server = await serve(framework, {
        routes: {
          'GET /hang': async ({ scope }) => {
            client.abort();
            reason.open(await aborted(scope.signal));
            throw scope.signal.reason;
          },
          'GET /hello': () => ({ json: 'hello' }),
        },
      });
      await expect(send(server.port, '/hang', { signal: client.signal })).rejects.toThrow(/abort/i);
      expect(isHoldfastError(await reason.opened, 'DISCONNECTED')).toBe(true);
      expect((await send(server.port, '/hello')).status).toBe(200);
    },
  },
  {
    sentence: 'aborts the signal with DISCONNECTED when the client leaves while the body is streamed',
    run: async (framework) => {
      const client = new AbortController();
      const reason = gate<unknown>();
      await using server = await serve(framework, {
        routes: {
          'GET /stream': ({ scope }) => ({
            stream: (async function* pieces() {
              yield 'first';
              reason.open(await aborted(scope.signal));
            })(),
          }),
        },
      });
      const answer = send(server.port, '/stream', { signal: client.signal, onData: () => client.abort() });
      await expect(answer).rejects.toThrow(/abort/i);
      expect(isHoldfastError(await reason.opened, 'DISCONNECTED')).toBe(true);
    },
  },
  {
    sentence: 'aborts the signal of a request that waits behind another one on the same connection, too',
    run: async (framework) => {
      const reasons: Promise<unknown>[] = [];
      const both = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /hang': async ({ scope }) => {
            reasons.push(aborted(scope.signal));
            if (reasons.length === 2) both.open();
            await reasons.at(-1);
            throw scope.signal.reason;
          },
        },
      });
      const client = await openConnection(server.port);
      const request = 'GET /hang HTTP/1.1\r\nHost: test\r\n\r\n';
      await client.write(request + request);
      await both.opened;
      client.leave();
      const known = (await Promise.all(reasons)).map((reason) => isHoldfastError(reason, 'DISCONNECTED'));
      expect(known).toEqual([true, true]);
    },
  },
  {
    sentence: 'ends the scope of a client that leaves in the middle of its body',
    run: async (framework) => {
      let ran = false;
      await using server = await serve(framework, {
        routes: { 'POST /orders': () => ({ json: (ran = true) }), 'GET /hello': () => ({ json: 'hello' }) },
      });
      const client = await openConnection(server.port);
      await client.write(
        'POST /orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"half',
      );
      await send(server.port, '/hello'); // by now the other one has been read
      client.leave();
      await client.received;
      const report = await server.service.shutdown();
      expect(ran).toBe(false);
      expect(report).toMatchObject({ outcome: 'clean', requests: { cancelled: 0 } });
    },
  },
  {
    sentence: 'trips no breaker when clients leave',
    run: async (framework) => {
      const breaker = new CircuitBreaker({ consecutiveFailures: 1 });
      const left = gate();
      const client = new AbortController();
      await using server = await serve(framework, {
        routes: {
          'GET /slow': async ({ scope }) => {
            const call = breaker.execute(async (ctx) => {
              client.abort();
              await aborted(ctx.signal);
              throw ctx.signal.reason;
            }, scope);
            await call.finally(() => left.open());
            return { json: null };
          },
        },
      });
      await expect(send(server.port, '/slow', { signal: client.signal })).rejects.toThrow(/abort/i);
      await left.opened;
      expect(breaker.state).toBe('closed');
    },
  },
];
