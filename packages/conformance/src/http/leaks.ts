/** What is left behind: nothing. And what two services in one process share: nothing. */
import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { currentScope } from '@holdfast/core';
import { expect } from 'vitest';
import { aborted, gate, serve, type Case } from './case.ts';
import { keepAliveAgent, send } from './client.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

/** Collects garbage until `dead` holds; a few rounds, as collection is never promised to be complete at once. */
async function collect(dead: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc !== 'function') throw new Error('no garbage collector to call');
  for (let round = 0; round < 100 && !dead(); round += 1) {
    await turn();
    gc();
  }
}

export const leakCases: readonly Case[] = [
  {
    sentence: 'leaves no scope, listener or timer behind after 1 000 requests',
    run: async (framework) => {
      const scopes: WeakRef<object>[] = [];
      await using server = await serve(framework, {
        timeoutMs: 60_000,
        routes: {
          'GET /hello': ({ scope }) => {
            scopes.push(new WeakRef(scope));
            return { json: scope.signal.aborted };
          },
        },
      });
      const cancel = server.service.signalAt('cancel');
      const agents = Array.from({ length: 4 }, () => keepAliveAgent());
      const round = (): Promise<unknown> =>
        Promise.all(agents.map((agent) => send(server.port, '/hello', { agent })));
      await round();
      await turn();
      const before = { timers: timers(), listeners: getEventListeners(cancel, 'abort').length };
      for (let sent = 0; sent < 1_000; sent += agents.length) await round();
      await turn();
      expect(timers()).toBeLessThanOrEqual(before.timers);
      expect(getEventListeners(cancel, 'abort')).toHaveLength(before.listeners);
      for (const agent of agents) agent.destroy();
      const alive = (): number => scopes.filter((scope) => scope.deref() !== undefined).length;
      await collect(() => alive() === 0);
      expect(alive()).toBe(0);
    },
  },
  {
    sentence: 'leaves no timer behind when clients leave',
    run: async (framework) => {
      const clients: AbortController[] = [];
      await using server = await serve(framework, {
        timeoutMs: 60_000,
        routes: {
          'GET /hang': async ({ scope }) => {
            clients.shift()?.abort();
            await aborted(scope.signal);
            throw scope.signal.reason;
          },
        },
      });
      const before = timers();
      for (let sent = 0; sent < 50; sent += 1) {
        const client = new AbortController();
        clients.push(client);
        await expect(send(server.port, '/hang', { signal: client.signal })).rejects.toThrow(/abort/i);
      }
      const report = await server.service.shutdown();
      expect(report.outcome).toBe('clean');
      expect(timers()).toBeLessThanOrEqual(before);
    },
  },
  {
    sentence: 'keeps two services in one process apart',
    run: async (framework) => {
      const reached = gate();
      const release = gate();
      const routes = {
        'GET /held': async () => {
          reached.open();
          await release.opened;
          return { json: currentScope() !== undefined };
        },
        'GET /hello': () => ({ json: 'hello' }),
      };
      await using a = await serve(framework, { service: { name: 'a' }, routes });
      await using b = await serve(framework, { service: { name: 'b' }, routes });
      const held = send(b.port, '/held');
      await reached.opened;
      expect((await a.service.shutdown()).requests).toMatchObject({ drained: 0, cancelled: 0 });
      await expect(send(a.port, '/hello')).rejects.toThrow(/ECONNREFUSED/);
      expect((await send(b.port, '/hello')).json()).toBe('hello');
      expect((await send(b.port, '/readyz')).status).toBe(200);
      release.open();
      expect((await held).json()).toBe(true);
    },
  },
];
