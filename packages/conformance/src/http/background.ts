/** Work that outlives its request: owned by the service, drained by the shutdown. */
import { isHoldfastError } from '@holdfast/core';
import { expect } from 'vitest';
import { aborted, gate, serve, type Case } from './case.ts';
import { send } from './client.ts';

export const backgroundCases: readonly Case[] = [
  {
    sentence: 'starts background work at once, and does not make the client wait for it',
    run: async (framework) => {
      const release = gate();
      const finished = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /hello': ({ scope }) => {
            let started = false;
            scope.background(async () => {
              started = true;
              await release.opened;
              finished.open();
            });
            return { json: started };
          },
        },
      });
      expect((await send(server.port, '/hello')).json()).toBe(true);
      release.open();
      await finished.opened;
    },
  },
  {
    sentence: 'starts background work after the response where asked',
    run: async (framework) => {
      const events: string[] = [];
      const finished = gate();
      await using server = await serve(framework, {
        routes: {
          'GET /hello': async ({ scope }) => {
            scope.background(
              () => {
                events.push('background');
                finished.open();
              },
              { after: 'response', name: 'audit' },
            );
            await new Promise((resolve) => setImmediate(resolve));
            events.push('handler returns');
            return { json: null };
          },
        },
      });
      await send(server.port, '/hello');
      await finished.opened;
      expect(events).toEqual(['handler returns', 'background']);
    },
  },
  {
    sentence: 'goes on with background work when the client leaves, unless told to cancel it',
    run: async (framework) => {
      const client = new AbortController();
      const left = gate();
      const cancelled = gate<unknown>();
      const kept = gate<boolean>();
      await using server = await serve(framework, {
        routes: {
          'GET /hang': async ({ scope }) => {
            scope.background(async ({ signal }) => cancelled.open(await aborted(signal)), {
              onDisconnect: 'cancel',
              onError: () => {},
            });
            scope.background(async ({ signal }) => {
              await left.opened;
              kept.open(!signal.aborted);
            });
            client.abort();
            await aborted(scope.signal);
            left.open();
            throw scope.signal.reason;
          },
        },
      });
      await expect(send(server.port, '/hang', { signal: client.signal })).rejects.toThrow(/abort/i);
      expect(isHoldfastError(await cancelled.opened, 'DISCONNECTED')).toBe(true);
      expect(await kept.opened).toBe(true);
    },
  },
  {
    sentence: 'does not let failing background work touch the response',
    run: async (framework) => {
      const failed = gate<unknown>();
      await using server = await serve(framework, {
        routes: {
          'GET /hello': ({ scope }) => {
            scope.background(() => Promise.reject(new Error('no audit today')), {
              onError: (error) => failed.open(error),
            });
            return { json: 'hello' };
          },
        },
      });
      expect((await send(server.port, '/hello')).json()).toBe('hello');
      expect(await failed.opened).toEqual(new Error('no audit today'));
    },
  },
  {
    sentence: 'waits for background work in the drain of a shutdown',
    run: async (framework) => {
      const release = gate();
      let written = 0;
      await using server = await serve(framework, {
        routes: {
          'GET /hello': ({ scope }) => {
            scope.background(() => release.opened.then(() => (written += 1)), { after: 'response' });
            return { json: null };
          },
        },
      });
      await send(server.port, '/hello');
      const report = server.service.shutdown();
      release.open();
      expect((await report).outcome).toBe('clean');
      expect(written).toBe(1);
    },
  },
];
